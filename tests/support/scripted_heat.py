"""A Heat whose stacks do what the test says, when it says so; its list may be as old as a real one's cache.

Rule: nothing finishes by itself. It is its own factory, so it stands in for `CloudFactory` and `Cloud` alike.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.cloud.types import Stack, StackResource
from shared.domain.errors import NotFound, PermanentError, TemporaryError
from shared.stacks.shard_template import node_index

Template = dict[str, Any]


@dataclass
class HeldStack:
    name: str
    template: Template
    tags: Sequence[str]
    status: str = "CREATE_IN_PROGRESS"
    reason: str = ""
    broken: dict[int, str] = field(default_factory=dict)  # node index -> why its server was not built

    @property
    def id(self) -> str:
        return f"id of {self.name}"

    def view(self) -> Stack:
        outputs = {}
        if self.status.endswith("_COMPLETE"):
            for name in self.template["outputs"]:
                index = node_index(name)
                outputs[name] = {"server_id": f"server {index}", "ip_address": f"10.0.0.{index}", "floating_ip": None}
        return Stack(self.id, self.name, self.status, self.reason, tuple(self.tags), outputs)


class ScriptedHeat:
    def __init__(self) -> None:
        self.held: dict[str, HeldStack] = {}
        self.calls: list[tuple[str, str]] = []
        self.snapshot: list[Stack] | None = None  # what the list says as long as it is old
        self.refuses: str | None = None  # what is said to every update

    def for_project(self, _project: str) -> ScriptedHeat:
        return self

    def ends(self, name: str, outcome: str, reason: str = "", **broken: str) -> None:
        """What is in progress ends as COMPLETE or FAILED; `broken` maps `node_<index>` to its reason."""
        stack = self.held[name]
        action, _, status = stack.status.partition("_")
        assert status == "IN_PROGRESS", stack
        stack.status, stack.reason = f"{action}_{outcome}", reason
        stack.broken = {int(node.removeprefix("node_")): why for node, why in broken.items()}
        if stack.status == "DELETE_COMPLETE":
            del self.held[name]

    def grow_old(self) -> None:
        """From now on the list shows what is there now."""
        self.snapshot = [stack.view() for stack in self.held.values()]

    def took(self) -> list[tuple[str, str]]:
        """The calls since this was asked last."""
        calls, self.calls = self.calls, []
        return calls

    def _by_id(self, stack_id: str) -> HeldStack:
        for stack in self.held.values():
            if stack_id in (stack.id, stack.name):
                return stack
        raise NotFound(stack_id)

    async def list_stacks(self, *, tag: str) -> list[Stack]:
        if self.snapshot is not None:
            return self.snapshot
        return [stack.view() for stack in self.held.values()]

    async def find_stack(self, name_or_id: str) -> Stack | None:
        try:
            return self._by_id(name_or_id).view()
        except NotFound:
            return None

    async def stack_template(self, stack_id: str) -> Template:
        return copy.deepcopy(self._by_id(stack_id).template)

    async def stack_resources(self, stack_id: str) -> list[StackResource]:
        stack = self._by_id(stack_id)
        found = []
        for name, body in stack.template["resources"].items():
            index = node_index(name)
            why = stack.broken.get(index or 0) if name == f"node-{index}" else None
            status = "CREATE_FAILED" if why else "CREATE_COMPLETE"
            found.append(StackResource(name, body["type"], f"server {index}", status, why or ""))
        return found

    async def create_stack(self, name: str, template: Template, *, tags: Sequence[str], timeout_minutes: int) -> Stack:
        self.calls.append(("create", name))
        made = self.held.setdefault(name, HeldStack(name, copy.deepcopy(template), tags))
        return made.view()

    async def update_stack(
        self, stack_id: str, template: Template, *, tags: Sequence[str], timeout_minutes: int
    ) -> None:
        stack = self._by_id(stack_id)
        self.calls.append(("update", stack.name))
        if self.refuses is not None:
            raise PermanentError(self.refuses)
        if stack.status.startswith("DELETE"):
            raise PermanentError(f"Updating a stack when it is in {stack.status} state is not supported (HTTP 400)")
        if stack.status.endswith("IN_PROGRESS"):
            raise TemporaryError(f"Stack {stack.name} already has an action in progress (HTTP 409)")
        stack.template, stack.tags, stack.status = copy.deepcopy(template), tags, "UPDATE_IN_PROGRESS"

    async def delete_stack(self, stack_id: str) -> None:
        stack = self._by_id(stack_id)
        self.calls.append(("delete", stack.name))
        stack.status = "DELETE_IN_PROGRESS"
