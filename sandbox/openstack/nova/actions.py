"""What users and administrators do to a server: `POST /servers/{id}/action`.

Rule: an action needs the states that Nova requires for it, and the node's agent runs exactly while the machine does. A
rebuilt machine starts from nothing; a stopped, paused or resized one keeps its disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.openstack.clock import iso
from sandbox.openstack.nova.servers import Servers, vm_state
from sandbox.openstack.store import Row
from sandbox.openstack.wire import ApiError, Call, Reply

# Action -> the name in Nova's notifications, where that is another one.
_TOLD = {"stop": "power_off", "start": "power_on", "confirm_resize": "resize_confirm"}
_ANY = frozenset({"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR", "VERIFY_RESIZE"})
# Action -> the name in Nova's messages, the statuses it needs, and the status that follows.
_MOVES: dict[str, tuple[str, frozenset[str], str]] = {
    "os-stop": ("stop", frozenset({"ACTIVE", "ERROR", "SHUTOFF"}), "SHUTOFF"),
    "os-start": ("start", frozenset({"SHUTOFF", "ACTIVE"}), "ACTIVE"),
    "pause": ("pause", frozenset({"ACTIVE"}), "PAUSED"),
    "unpause": ("unpause", frozenset({"PAUSED"}), "ACTIVE"),
    "suspend": ("suspend", frozenset({"ACTIVE"}), "SUSPENDED"),
    "resume": ("resume", frozenset({"SUSPENDED"}), "ACTIVE"),
    "reboot": ("reboot", _ANY, "ACTIVE"),
    "confirmResize": ("confirm_resize", frozenset({"VERIFY_RESIZE"}), "ACTIVE"),
}


class Actions:
    """Args: servers: runs them."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self._others: dict[str, Callable[[Call, Row, Any], None]] = {
            "rebuild": self._rebuild,
            "resize": self._resize,
            "os-resetState": self._reset,
            "forceDelete": self._delete,
        }

    def perform(self, call: Call, row: Row) -> Reply:
        """Carry out the action that the body names."""
        if "os-getConsoleOutput" in call.body:
            return self._console(row, call.body["os-getConsoleOutput"])
        for name, body in call.body.items():
            if name in _MOVES:
                self._move(row, *_MOVES[name])
            elif name in self._others:
                self._others[name](call, row, body if isinstance(body, dict) else {})
            else:
                continue
            return Reply(202)
        raise ApiError(400, f"There is no such action: {', '.join(call.body)}")

    def _console(self, row: Row, body: Any) -> Reply:
        """The last lines of the console; of a server that was never started, Nova has none."""
        length = body.get("length") if isinstance(body, dict) else None
        if row["status"] == "BUILD":
            raise ApiError(409, f"Instance {row['id']} is not ready")
        lines = self.servers.hypervisor.console(row["id"]).splitlines()
        shown = lines if length is None or int(length) < 0 else lines[-int(length) :]
        return Reply(200, {"output": "\n".join(shown)})

    def _move(self, row: Row, action: str, needed: frozenset[str], status: str) -> None:
        self._need(row, action, needed)
        # A machine that goes on keeps running; the others stop, or start with the disk they have.
        if not (row["status"] == "VERIFY_RESIZE" and action == "confirm_resize"):
            self.servers.hypervisor.stop(row["id"], gone=False)
        self.servers.rows.update(row, status=status, updated=iso())
        if status == "ACTIVE":
            self.servers.hypervisor.start(self.servers.machine(row))
        self.servers.tell(row, f"{_TOLD.get(action, action)}.end")

    def _rebuild(self, call: Call, row: Row, body: dict[str, Any]) -> None:
        self._need(row, "rebuild", frozenset({"ACTIVE", "SHUTOFF", "ERROR"}))
        image = str(body.get("imageRef") or "")
        if self.servers.images.rows.get(image) is None:
            raise ApiError(400, f"Image {image} could not be found.")
        then = "SHUTOFF" if row["status"] == "SHUTOFF" else "ACTIVE"
        self.servers.start_again(row, image, then=then)

    def _resize(self, call: Call, row: Row, body: dict[str, Any]) -> None:
        self._need(row, "resize", frozenset({"ACTIVE", "SHUTOFF"}))
        self.servers.resize(row, str(body.get("flavorRef") or ""), then="VERIFY_RESIZE")

    def _reset(self, call: Call, row: Row, body: dict[str, Any]) -> None:
        call.need_admin()
        state = {"error": "ERROR", "active": "ACTIVE"}.get(str(body.get("state")))
        if state is None:
            raise ApiError(400, f"Invalid input for field/attribute state. Value: {body.get('state')}.")
        # Only the record changes; the machine runs on.
        self.servers.rows.update(row, status=state, updated=iso(), fault=None)
        self.servers.tell(row, "update")

    def _delete(self, call: Call, row: Row, body: dict[str, Any]) -> None:
        self.servers.delete(row["id"])

    @staticmethod
    def _need(row: Row, action: str, statuses: frozenset[str]) -> None:
        if row["status"] not in statuses:
            state = vm_state(row["status"])
            raise ApiError(409, f"Cannot '{action}' instance {row['id']} while it is in vm_state {state}")
