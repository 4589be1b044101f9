"""What goes wrong meanwhile: processes, the database and the broker are killed or stopped, calls of the cloud fail."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from random import Random

import httpx

from sandbox.rabbitmq import RabbitServer
from sandbox.run import Sandbox

# Of all requests to the cloud: 4 % are answered with an error, 1 % get no answer.
FAULTS = {
    "rules": [
        {"match": {"probability": 0.04}, "do": {"status": 503, "body": "simulated fault"}},
        {"match": {"probability": 0.01}, "do": {"drop": True}},
    ]
}
PAUSE = (3.0, 8.0)  # seconds between two faults
STOPPED = (2.0, 9.0)  # seconds for which a process is stopped; leases are shorter
SAMPLE_SECONDS = 2.0


class Chaos:
    """Args:
    seed: of what happens.
    """

    def __init__(self, sandbox: Sandbox, broker: RabbitServer, seed: int) -> None:
        self._sandbox = sandbox
        self._broker = broker
        self._random = Random(seed)
        self.done: Counter[str] = Counter()
        self.memory: dict[str, list[int]] = defaultdict(list)  # process -> MiB, one sample after another

    async def put(self, script: Mapping[str, object]) -> None:
        """Replace the cloud's faults."""
        url = f"http://127.0.0.1:{self._sandbox.layout.cloud_port}/faults"
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            (await http.put(url, json=script)).raise_for_status()

    async def run(self) -> None:
        """Until cancelled. Everything runs again afterwards."""
        await self.put(FAULTS)
        sampler = asyncio.create_task(self._sample())
        try:
            while True:
                await asyncio.sleep(self._random.uniform(*PAUSE))
                await asyncio.shield(self._strike())
        finally:
            sampler.cancel()
            await self.put({})

    async def _strike(self) -> None:
        kind = self._random.choices(("kill", "stop", "database", "broker"), (5, 3, 1, 1))[0]
        if kind == "database":
            self._sandbox.postgres.kill()
            await asyncio.sleep(self._random.uniform(0, 3))
            await self._sandbox.postgres.start()
        elif kind == "broker":
            await asyncio.to_thread(self._broker.kill)
            await asyncio.to_thread(self._broker.start)
        else:
            name = self._random.choice([name for name in self._sandbox.children if name != "cloud"])
            child = self._sandbox.children[name]
            if not child.alive:
                return
            if kind == "kill":
                child.send(signal.SIGKILL)
            else:
                child.send(signal.SIGSTOP)
                await asyncio.sleep(self._random.uniform(*STOPPED))
                child.send(signal.SIGCONT)
            kind = f"{kind} {name}"
        self.done[kind] += 1

    async def _sample(self) -> None:
        while True:
            for name, child in self._sandbox.children.items():
                if child.alive and (resident := _resident(child.pid)) is not None:
                    self.memory[name].append(resident)
            await asyncio.sleep(SAMPLE_SECONDS)


def _resident(pid: int) -> int | None:
    """Resident memory of a process, MiB; None if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return None
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS:")), None)
