"""All simulated nodes of one process: the `simulated` hypervisor.

Rule: a machine has at most one agent, which ends immediately when the machine stops. A restarted machine continues with
its stored state.
"""

from __future__ import annotations

import asyncio
import ssl

import structlog

from sandbox.nodes.agent import Behaviours, NodeAgent, NodeTimes
from sandbox.nodes.membership import Membership
from sandbox.nodes.memory import NodeMemory
from sandbox.nodes.user_data import read_user_data
from sandbox.openstack.hypervisor import Machine

log = structlog.get_logger(__name__)
CONSOLE_LINES = 1000


class WellBehaved:
    """Nodes without faults."""

    def behaves(self, behaviour: str, name: str) -> bool:
        """Never."""
        return False

    def slowness(self, name: str) -> float:
        """Return 1: not slowed down."""
        return 1.0


class Fleet:
    """Runs a node agent for each machine whose user data contains one.

    Args:
        memory: stored state of nodes.
        behaviours: injected faults.
        times: durations.
    """

    def __init__(self, memory: NodeMemory, behaviours: Behaviours, times: NodeTimes) -> None:
        self.memory = memory
        self.behaviours = behaviours
        self.times = times
        self._agents: dict[str, asyncio.Task[None]] = {}
        self._membership = Membership(memory)
        self._consoles: dict[str, list[str]] = {}
        self._tls: dict[str | None, ssl.SSLContext] = {}

    def __contains__(self, machine_id: object) -> bool:
        return machine_id in self._agents

    @property
    def machine_ids(self) -> set[str]:
        """The machines that have an agent."""
        return set(self._agents)

    def start(self, machine: Machine) -> None:
        """Start the machine's agent, unless it is already running or its user data contains none."""
        settings = read_user_data(machine.user_data)
        if settings is None or machine.id in self._agents:
            return
        agent = NodeAgent(
            machine,
            settings,
            memory=self.memory,
            behaviours=self.behaviours,
            times=self.times,
            membership=self._membership,
            tls=self._context(settings.ca_pem),
            console=self._consoles.setdefault(machine.id, []).append,
        )
        task = asyncio.get_running_loop().create_task(agent.run(), name=f"node {machine.name}")
        task.add_done_callback(lambda ended: _tell(ended, machine.name))
        self._agents[machine.id] = task
        self._membership.started(machine)

    def stop(self, machine_id: str, *, gone: bool) -> None:
        """End the machine's agent; if the machine is `gone`, its stored state is deleted."""
        task = self._agents.pop(machine_id, None)
        if task is not None:
            task.cancel()
        if gone:
            self.memory.forget(machine_id)
            self._consoles.pop(machine_id, None)
        self._membership.stopped(machine_id, gone=gone)

    def console(self, machine_id: str) -> str:
        """The lines that the machine's agent wrote."""
        return "".join(f"{line}\n" for line in self._consoles.get(machine_id, [])[-CONSOLE_LINES:])

    async def close(self) -> None:
        """End all agents; their stored state is kept."""
        tasks = list(self._agents.values())
        self._agents.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.memory.close()

    def _context(self, ca_pem: str | None) -> ssl.SSLContext:
        # Cached per CA, because reading the system's CAs takes milliseconds.
        if ca_pem not in self._tls:
            self._tls[ca_pem] = ssl.create_default_context(cadata=ca_pem)
        return self._tls[ca_pem]


def _tell(task: asyncio.Task[None], name: str) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("node agent failed", node=name, exc_info=task.exception())
