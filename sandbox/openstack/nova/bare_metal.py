"""The machines of the simulated Ironic, as they appear through Nova.

Rule: a machine belongs to one server at a time, and is available again only after it has been cleaned, long after Nova
says that the server is gone. What Nova cannot do for such servers is refused as for real ones.
"""

from __future__ import annotations

from sandbox.openstack.clock import Clock
from sandbox.openstack.config import Latencies
from sandbox.openstack.faults import Faults
from sandbox.openstack.nova.checks import ZONES
from sandbox.openstack.store import Row, Store, by, new_id
from sandbox.openstack.wire import ApiError

AVAILABLE, DEPLOYING, ACTIVE = "available", "deploying", "active"
CLEANING, DEPLOY_FAILED, CLEAN_FAILED = "cleaning", "deploy failed", "clean failed"
_CUSTOM = "resources:CUSTOM_"


def resource_class(flavor: Row) -> str | None:
    """The class of machines that a flavor asks for; None for virtual machines."""
    names = [name for name in flavor.get("extra_specs") or {} if name.startswith(_CUSTOM)]
    return names[0].removeprefix("resources:") if names else None


def refuse(flavor: Row, what: str) -> None:
    """Raises ApiError: 400 if the flavor is one of bare metal, for which Nova cannot do `what`."""
    if resource_class(flavor) is not None:
        raise ApiError(400, f"Bad request: {what} is not supported for bare metal instances.")


class BareMetal:
    """Args:
    size: machines of each class.
    """

    def __init__(self, store: Store, clock: Clock, latencies: Latencies, faults: Faults, size: int) -> None:
        self.rows = store.collection("bare_metal", server=by("server"))
        self.clock = clock
        self.latencies = latencies
        self.faults = faults
        self.size = size

    def seed(self, classes: list[str]) -> None:
        """Add missing machines, spread over the availability zones."""
        known = {row["name"] for row in self.rows}
        for name in classes:
            for number in range(self.size):
                called = f"{name.removeprefix('CUSTOM_').lower().replace('_', '-')}-{number}"
                if called not in known:
                    zone = ZONES[number % len(ZONES)]
                    self.rows.add(
                        {
                            "id": new_id(),
                            "name": called,
                            "class": name,
                            "zone": zone,
                            "state": AVAILABLE,
                            "server": None,
                        }
                    )

    def claim(self, server_id: str, name: str, zone: str) -> Row | None:
        """The machine of a server, which begins to be deployed; None if none is available.

        Args:
            name: the class.
            zone: the availability zone, or `nova` for any.
        """
        own = self.rows.where("server", server_id)
        free = own or [row for row in self.rows if row["class"] == name and row["state"] == AVAILABLE]
        fitting = own or [row for row in free if zone in ("nova", row["zone"])]
        return self.rows.update(fitting[0], state=DEPLOYING, server=server_id) if fitting else None

    def settle(self, machine: Row, *, works: bool) -> None:
        """End a deployment."""
        self.rows.update(machine, state=ACTIVE if works else DEPLOY_FAILED)

    def release(self, server_id: str) -> None:
        """Start to clean the machine of a deleted server."""
        for row in self.rows.where("server", server_id):
            self.rows.update(row, state=CLEANING, server=None)
            self.clock.start(self._clean(row["id"]), f"clean {row['name']}")

    def resume(self) -> None:
        """After a restart: go on cleaning."""
        for row in self.rows:
            if row["state"] == CLEANING:
                self.clock.start(self._clean(row["id"]), f"clean {row['name']}")

    async def _clean(self, row_id: str) -> None:
        await self.clock.wait(self.latencies.cleaning)
        row = self.rows.rows[row_id]
        self.rows.update(row, state=CLEAN_FAILED if self.faults.behaves("clean_fails", row["name"]) else AVAILABLE)
