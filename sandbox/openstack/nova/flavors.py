"""Flavors of the simulated Nova.

Rule: flavors are seeded and the same for all projects; IDs are short and stable.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.store import Row, Store, by
from sandbox.openstack.wire import ApiError, Call, Reply, Route, Version, page

# id, name, vCPUs, RAM in MiB, disk in GiB
SEED = (
    ("1", "m1.tiny", 1, 512, 1),
    ("2", "m1.small", 1, 2048, 20),
    ("3", "m1.medium", 2, 4096, 40),
    ("4", "m1.large", 4, 8192, 80),
    ("5", "m1.xlarge", 8, 16384, 160),
    ("d0", "m1.diskless", 2, 4096, 0),
    # Larger than any host, to test "No valid host was found".
    ("x0", "m1.impossible", 512, 4194304, 40),
)
# id, name, vCPUs, RAM in MiB, disk in GiB, resource class: a server takes one whole machine of it
BARE_METAL = (
    ("bm0", "bm.general", 16, 65536, 400, "CUSTOM_BM_GENERAL"),
    ("bm1", "bm.storage", 32, 131072, 800, "CUSTOM_BM_STORAGE"),
)

_SHARED = ("VCPU", "MEMORY_MB", "DISK_GB")
LARGEST_HOST = {"vcpus": 128, "ram": 1048576}


def fits_a_host(flavor: Row) -> bool:
    """Whether a flavor fits on a simulated host."""
    return all(flavor[key] <= most for key, most in LARGEST_HOST.items())


class Flavors:
    """Rows and handlers of flavors."""

    def __init__(self, store: Store) -> None:
        self.rows = store.collection("flavors", name=by("name"))

    def seed(self) -> None:
        """Add missing seeded flavors."""
        for row_id, name, vcpus, ram, disk in SEED:
            if row_id not in self.rows:
                self.rows.add({"id": row_id, "name": name, "vcpus": vcpus, "ram": ram, "disk": disk})
        for row_id, name, vcpus, ram, disk, machine in BARE_METAL:
            if row_id not in self.rows:
                specs = {f"resources:{machine}": "1"} | {f"resources:{each}": "0" for each in _SHARED}
                self.rows.add(
                    {"id": row_id, "name": name, "vcpus": vcpus, "ram": ram, "disk": disk, "extra_specs": specs}
                )

    def find(self, name_or_id: str) -> Row | None:
        """A flavor by ID or name."""
        named = self.rows.where("name", name_or_id)
        return self.rows.get(name_or_id) or (named[0] if named else None)

    def routes(self) -> list[Route]:
        """What is answered about flavors."""
        return [
            Route("GET", "/v2.1/flavors", self.several),
            Route("GET", "/v2.1/flavors/detail", self.several),
            Route("GET", "/v2.1/flavors/{id}", self.one),
            Route("GET", "/v2.1/flavors/{id}/os-extra_specs", self.extra_specs),
        ]

    def several(self, call: Call) -> Reply:
        """A listing, short or in detail."""
        detail = call.path.rstrip("/").endswith("detail")
        smallest = (call.number("minRam") or 0, call.number("minDisk") or 0)
        rows = [row for row in self.rows if row["ram"] >= smallest[0] and row["disk"] >= smallest[1]]
        shown, following = page(rows, call)
        body: dict[str, Any] = {"flavors": [self._shown(call, row, detail) for row in shown]}
        if following:
            body["flavors_links"] = [{"rel": "next", "href": following}]
        return Reply(200, body)

    def one(self, call: Call) -> Reply:
        """One flavor by id."""
        return Reply(200, {"flavor": self._shown(call, self._row(call), True)})

    def extra_specs(self, call: Call) -> Reply:
        """Only flavors of bare metal have any."""
        return Reply(200, {"extra_specs": self._row(call).get("extra_specs", {})})

    def embedded(self, row: Row, call: Call) -> dict[str, Any]:
        """A flavor inside a server, in the form the microversion asks for."""
        if call.version >= (2, 47):
            return {
                "vcpus": row["vcpus"],
                "ram": row["ram"],
                "disk": row["disk"],
                "ephemeral": 0,
                "swap": 0,
                "original_name": row["name"],
                "extra_specs": row.get("extra_specs", {}),
            }
        return {"id": row["id"], "links": [{"rel": "bookmark", "href": f"{call.root}/flavors/{row['id']}"}]}

    def _row(self, call: Call) -> Row:
        row = self.rows.get(call.params["id"])
        if row is None:
            raise ApiError(404, f"Flavor {call.params['id']} could not be found.")
        return row

    @staticmethod
    def _shown(call: Call, row: Row, detail: bool) -> dict[str, Any]:
        links = [{"rel": "self", "href": f"{call.root}/v2.1/flavors/{row['id']}"}]
        short = {"id": row["id"], "name": row["name"], "links": links}
        if not detail:
            return short if call.version < (2, 55) else {**short, "description": None}
        shown = {
            **short,
            "ram": row["ram"],
            "vcpus": row["vcpus"],
            "disk": row["disk"],
            "swap": "" if call.version < (2, 75) else 0,
            "OS-FLV-EXT-DATA:ephemeral": 0,
            "OS-FLV-DISABLED:disabled": False,
            "os-flavor-access:is_public": True,
            "rxtx_factor": 1.0,
        }
        specs = row.get("extra_specs", {})
        versioned: tuple[tuple[Version, str, Any], ...] = (
            ((2, 55), "description", None),
            ((2, 61), "extra_specs", specs),
        )
        shown.update({key: value for since, key, value in versioned if call.version >= since})
        return shown
