"""One simulated node: a coroutine that speaks the agent's protocol as the script on a real node does.

Rule: the node knows nothing but its user data and what the API tells it. It keeps trying while its server exists,
with growing pauses and jitter, so that a thousand of them do not call in step.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import httpx
import structlog

from sandbox.nodes.certificates import make_request, trouble_with
from sandbox.nodes.membership import Membership
from sandbox.nodes.memory import NodeMemory, Remembered
from sandbox.nodes.user_data import AgentSettings
from sandbox.openstack.hypervisor import Machine

log = structlog.get_logger(__name__)
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
MOST_ADDRESSES = 16
STATES = "/etc/jeroboam/states"
JOIN = "/etc/jeroboam/join.conf"  # a node that gets it joins with a certificate of its own


class Behaviours(Protocol):
    """What a fault script says about nodes."""

    def behaves(self, behaviour: str, name: str) -> bool:
        """Whether a node of that name shows a behaviour."""
        ...

    def slowness(self, name: str) -> float:
        """The factor on how long a node of that name takes."""
        ...


@dataclass(frozen=True, slots=True)
class NodeTimes:
    """How long things take on a node, in seconds; pairs are from and to.

    `boot` passes from ACTIVE to the first call, `bootstrap` from the script to having joined, `command` per
    command; `heartbeat` between reports of health; `poll` is how long a command poll may hang.
    """

    boot: tuple[float, float] = (0.1, 0.5)
    bootstrap: tuple[float, float] = (0.3, 1.0)
    command: tuple[float, float] = (0.05, 0.2)
    heartbeat: float = 60.0
    poll: int = 50
    scale: float = 1.0

    def draw(self, bounds: tuple[float, float]) -> float:
        """A scaled delay between two bounds."""
        return random.uniform(*bounds) * self.scale


class GaveUp(Exception):
    """The API will never know this node."""


class NodeAgent:
    """The agent of one machine.

    Args:
        machine: the server it runs on.
        settings: from its user data.
        memory: where its credential is kept.
        behaviours: what goes wrong on purpose.
        times: how long things take.
        membership: who is a member of which cluster; shared by all agents.
        tls: what certificates are checked with.
        console: shows a line on the machine's console.
    """

    def __init__(
        self,
        machine: Machine,
        settings: AgentSettings,
        *,
        memory: NodeMemory,
        behaviours: Behaviours,
        times: NodeTimes,
        membership: Membership,
        tls: ssl.SSLContext,
        console: Callable[[str], object] = lambda line: None,
    ) -> None:
        self.machine = machine
        self.settings = settings
        self.memory = memory
        self.behaviours = behaviours
        self.times = times
        self._membership = membership
        self._tls = tls
        self._console = console
        self._log = log.bind(node=machine.name)

    async def run(self) -> None:
        """Live until cancelled: announce, bootstrap, join, then heartbeats and commands."""
        if self.behaviours.behaves("silent", self.machine.name):
            return
        await asyncio.sleep(self.times.draw(self.times.boot) * self._slowness())
        # A client of its own for each node, as in life; httpx's pool gets slow with a thousand shared connections.
        async with httpx.AsyncClient(
            base_url=f"{self.settings.url}/v1/nodes/{self.settings.node_id}",
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            verify=self._tls,
            trust_env=False,
        ) as client:
            try:
                remembered = self.memory.get(self.machine.id)
                if remembered is None:
                    await self._exchange(client)
                else:
                    client.headers["Authorization"] = f"Bearer {remembered.credential}"
                if remembered is None or not remembered.reported:
                    await self._join(client)
                # A node that could not join stays, as a real one does: it may be told to try again.
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._heartbeats(client))
                    group.create_task(self._commands(client))
            except GaveUp as error:
                self._log.warning("node gave up", reason=str(error))

    async def _exchange(self, client: httpx.AsyncClient) -> None:
        """Get a credential; asked for again and again, because a rebuilt node may be given its token back."""
        proof = secrets.token_hex(32)
        hashed = hashlib.sha256(proof.encode()).hexdigest()
        self._console(f"jeroboam-agent: {self.settings.node_id} {hashed}")
        headers = {"X-Jeroboam-Token": self.settings.token, "X-Jeroboam-Proof": proof}
        answer = await self._ask(client, "POST", "/credential", headers=headers, final=(200, 409))
        if answer.status_code != 200:
            raise GaveUp(f"the one-time token was refused with {answer.status_code}")
        known = self.memory.get(self.machine.id)
        credential = str(answer.json()["credential"])
        remembered = Remembered(credential) if known is None else replace(known, credential=credential)
        self.memory.put(self.machine.id, remembered)
        client.headers["Authorization"] = f"Bearer {remembered.credential}"

    async def _join(self, client: httpx.AsyncClient) -> None:
        addresses = list(self.machine.addresses[:MOST_ADDRESSES])
        await self._report(client, "announced", addresses=addresses, data={})
        script = await self._bootstrap(client)
        if script is None:
            self._remember_joined(reported=True)
            return
        await asyncio.sleep(self.times.draw(self.times.bootstrap) * self._slowness())
        if self.behaviours.behaves("fail_join", self.machine.name):
            await self._report(client, "failed", reason="kubeadm: exit status 1: simulated failure to join")
            return
        remembered = self.memory.get(self.machine.id)
        assert remembered is not None
        paths = {file.get("path") for file in script.get("files") or []}
        observes = STATES in paths
        if JOIN in paths and (trouble := await self._certify(client)):
            await self._report(client, "failed", reason=f"kubeadm: exit status 1: {trouble}")
            return
        if refusal := self._membership.join(self.machine, again=remembered.joined, observes=observes):
            await self._report(client, "failed", reason=f"kubeadm: exit status 1: {refusal}")
            return
        # From here on the disk says that this machine is a member.
        self._remember_joined(reported=False)
        revision = str(script.get("revision", ""))
        if names := script.get("facts"):
            facts = {name: self._fact(name, revision) for name in names}
            await self._report(client, "facts", facts=facts)
        await self._report(client, "joined", data={"version": revision})
        self._remember_joined(reported=True)

    def _remember_joined(self, *, reported: bool) -> None:
        remembered = self.memory.get(self.machine.id)
        assert remembered is not None
        self.memory.put(self.machine.id, replace(remembered, joined=True, reported=reported))

    def _fact(self, name: str, revision: str) -> str:
        """A value that stays the same while the machine exists; versions are those of the bootstrap, or of an image."""
        if name.endswith("_version"):
            return revision or "1.0.0"
        return f"{name}-{hashlib.sha256(f'{self.machine.id} {name}'.encode()).hexdigest()[:24]}"

    async def _bootstrap(self, client: httpx.AsyncClient) -> dict[str, Any] | None:
        """The bootstrap; None for a node that has joined, and was stopped before it had written that down."""
        while True:
            answer = await self._ask(client, "GET", "/bootstrap", final=(200, 403, 425))
            if answer.status_code == 403:
                return None
            if answer.status_code == 200:
                found: dict[str, Any] = answer.json()
                return found
            await asyncio.sleep(_retry_after(answer) * random.uniform(0.9, 1.2))

    async def _heartbeats(self, client: httpx.AsyncClient) -> None:
        # The first one comes anywhere within the period, so that a fleet's heartbeats are spread.
        await asyncio.sleep(random.uniform(0, self.times.heartbeat))
        while True:
            await self._report(client, "heartbeat", data=self._health())
            await asyncio.sleep(self.times.heartbeat)

    def _health(self) -> dict[str, Any]:
        remembered = self.memory.get(self.machine.id)
        if remembered is None or not remembered.joined:
            return {}
        found: dict[str, Any] = {"healthy": not self.behaviours.behaves("unhealthy", self.machine.name)}
        states = self._membership.states(self.machine)
        return found | ({"states": states} if states else {})

    async def _commands(self, client: httpx.AsyncClient) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            asked = clock()
            limit = httpx.Timeout(self.times.poll + ANSWER_SECONDS, connect=CONNECT_SECONDS)
            answer = await self._ask(client, "GET", f"/commands?wait={self.times.poll}", timeout=limit)
            commands = answer.json().get("commands", [])
            for command in commands:
                trouble = await self._carry_out(client, command)
                self._log.info("node carried out a command", command=command.get("name"), trouble=trouble)
                result = {"ok": trouble is None, "output": trouble or "", "results": self._results(command)}
                await self._ask(client, "POST", f"/commands/{command['id']}/result", json=result, final=(200, 204, 404))
            if not commands and clock() - asked < 1:
                # An API that does not hold the poll must not be asked in a tight loop.
                await asyncio.sleep(random.uniform(1, 3))

    async def _carry_out(self, client: httpx.AsyncClient, command: dict[str, Any]) -> str | None:
        """Do one thing; why it could not be done, or None."""
        if command.get("name") != "bootstrap":
            await asyncio.sleep(self.times.draw(self.times.command))
            return None
        if command.get("args", {}).get("part") != "certificates":
            await self._join(client)
            return None
        await self._bootstrap(client)
        return await self._certify(client)

    async def _certify(self, client: httpx.AsyncClient) -> str | None:
        """Get a certificate; why it is not valid, or None."""
        request = make_request(self.machine.name)
        answer = await self._ask(client, "POST", "/csr", json={"csr": request})
        return trouble_with(answer.json(), request)

    def _results(self, command: dict[str, Any]) -> dict[str, str]:
        """What the driver's own command would hand back."""
        if command.get("name") not in ("remove-nodes", "remove-masters"):
            return {}
        names = str(command.get("args", {}).get("nodes", "")).split()
        self._membership.remove(names)
        stuck = [name for name in names if self.behaviours.behaves("drain_fails", name)]
        return {f"not_drained.{name}": "simulated pod that does not go" for name in stuck}

    async def _report(self, client: httpx.AsyncClient, kind: str, **body: Any) -> None:
        await self._ask(client, "POST", "/reports", json={"kind": kind, **body}, final=(200, 204))

    async def _ask(
        self, client: httpx.AsyncClient, method: str, path: str, *, final: tuple[int, ...] = (200,), **request: Any
    ) -> httpx.Response:
        """One call, repeated with growing pauses until the API gives one of the `final` answers."""
        for attempt in itertools.count():
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempt, 10))
            try:
                answer = await client.request(method, path, **request)
            except httpx.HTTPError as error:
                self._log.debug("node could not call", path=path, error=repr(error))
            else:
                if answer.status_code in final:
                    return answer
                if answer.status_code == 401 and path != "/credential":
                    await self._exchange(client)
                    continue
                self._log.debug("node was refused", path=path, status=answer.status_code, body=answer.text[:200])
                if "retry-after" in answer.headers:
                    pause = _retry_after(answer)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        raise AssertionError("unreachable: the count has no end")

    def _slowness(self) -> float:
        return self.behaviours.slowness(self.machine.name)


def _retry_after(answer: httpx.Response) -> float:
    value = answer.headers.get("retry-after", "")
    return min(60.0, max(0.1, float(value))) if value.replace(".", "", 1).isdigit() else 1.0
