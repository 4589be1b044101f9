"""One list call for all stacks of a project, shared by all operations that wait for stacks.

Rule: callers share a result while the call is in progress and for `fresh_seconds` after it. When a stack is known to
have changed, a result that was requested before is not used any more. A result may still be outdated, because other
processes change stacks too: what Heat refuses because of that is looked up again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from shared.cloud.contract import CloudFactory
from shared.cloud.names import OWNED
from shared.cloud.types import Stack

_NEVER = float("-inf")


@dataclass(slots=True)
class _Project:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    began: float = _NEVER  # when the answer was asked for
    changed: float = _NEVER  # when something was last known to have changed
    stacks: dict[str, Stack] = field(default_factory=dict)
    made: dict[str, tuple[float, Stack]] = field(default_factory=dict)  # by this process, after `began`


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
        """Discard results that were requested until now, because a stack has changed."""
        if (project := self._projects.get(project_id)) is not None:
            project.changed = asyncio.get_running_loop().time()

    def shows(self, project_id: str, name: str, status: str) -> bool:
        """Whether the last answer has this stack in this status; also if the project or the stack is not known."""
        project = self._projects.get(project_id)
        stack = project.stacks.get(name) if project else None
        return stack is None or stack.status == status

    def add(self, project_id: str, stack: Stack) -> None:
        """This process has made a stack: it is in every answer, also in one that was asked for before."""
        if (project := self._projects.get(project_id)) is not None:
            project.made[stack.name] = (asyncio.get_running_loop().time(), stack)
            project.stacks = {**project.stacks, stack.name: stack}

    async def by_name(self, project_id: str) -> dict[str, Stack]:
        """All of Jeroboam's stacks in a project, by name."""
        now = asyncio.get_running_loop().time
        project = self._projects.setdefault(project_id, _Project())
        needed = max(now() - self._fresh_seconds, project.changed)
        async with project.lock:
            if project.began <= needed:
                began = now()
                stacks = await self._clouds.for_project(project_id).list_stacks(tag=OWNED)
                project.made = {name: made for name, made in project.made.items() if made[0] >= began}
                project.stacks = {stack.name: stack for stack in stacks}
                for name, (_, stack) in project.made.items():
                    project.stacks.setdefault(name, stack)
                project.began = began
            return project.stacks
