"""A cloud whose servers and stacks a test states, and which counts what it was asked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from shared.cloud.types import Server, Stack
from shared.domain.errors import TemporaryError


class ScriptedNova:
    """`CloudFactory` and `Cloud` in one, for looks at servers."""

    def __init__(self) -> None:
        self.servers: dict[str, Server] = {}
        self.unlisted: set[str] = set()  # found by ID only
        self.stacks: list[Stack] = []
        self.away = False
        self.asked: list[str] = []

    def for_project(self, project_id: str) -> Any:
        return self

    async def list_marked_servers(self, *, ids: Collection[str] = ()) -> list[Server]:
        self._asked("list")
        return [server for name, server in self.servers.items() if name not in self.unlisted]

    async def find_server(self, server_id: str) -> Server | None:
        self._asked(f"show {server_id}")
        return self.servers.get(server_id)

    async def find_node_server(self, name: str, *, node_id: str) -> Server | None:
        self._asked(f"find {name}")
        found = (server for server in self.servers.values() if server.name == name)
        return next((server for server in found if server.metadata.get("jeroboam_node") == node_id), None)

    async def list_stacks(self, *, tag: str) -> list[Stack]:
        self._asked("stacks")
        return self.stacks

    async def find_stack(self, name_or_id: str) -> Stack | None:
        return next((stack for stack in self.stacks if stack.id == name_or_id), None)

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise TemporaryError("Nova is away")
