"""One list call for all stacks of a project, shared by all operations that wait for stacks.

Rule: callers share a result while the call is in progress and for `fresh_seconds` after it. When OpenStack reports that
a stack changed, the result is discarded.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from shared.cloud.contract import CloudFactory
from shared.cloud.names import OWNED
from shared.cloud.types import Stack


@dataclass(slots=True)
class _Project:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    began: float = float("-inf")
    stacks: dict[str, Stack] = field(default_factory=dict)


class StackList:
    """Args:
    clouds: creates the project's cloud.
    fresh_seconds: maximum age of a result.
    """

    def __init__(self, clouds: CloudFactory, *, fresh_seconds: float = 0.5) -> None:
        self._clouds = clouds
        self._fresh_seconds = fresh_seconds
        self._projects: dict[str, _Project] = {}

    def expire(self, project_id: str) -> None:
        """Discard the last result, because a stack has changed."""
        if (project := self._projects.get(project_id)) is not None:
            project.began = float("-inf")

    async def by_name(self, project_id: str) -> dict[str, Stack]:
        """All of Jeroboam's stacks in a project, by name."""
        now = asyncio.get_running_loop().time
        project = self._projects.setdefault(project_id, _Project())
        async with project.lock:
            if project.began < now() - self._fresh_seconds:
                began = now()
                stacks = await self._clouds.for_project(project_id).list_stacks(tag=OWNED)
                project.stacks = {stack.name: stack for stack in stacks}
                project.began = began
            return project.stacks
