"""Quotas and limits of the simulated Nova.

Rule: usage is updated when servers are created and deleted instead of being counted at each request. A server counts
as soon as it is being built.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sandbox.openstack.store import Row, Store
from sandbox.openstack.wire import ApiError, Call, Reply, Route

DEFAULTS = {
    "instances": 2500,
    "cores": 10000,
    "ram": 40_000_000,
    "server_groups": 100,
    "server_group_members": 1000,
    "key_pairs": 100,
    "metadata_items": 128,
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
    "fixed_ips": -1,
    "floating_ips": -1,
    "networks": -1,
    "security_groups": -1,
    "security_group_rules": -1,
}
USER_DATA_LIMIT = 65535


class Quotas:
    """Limits and usage per project."""

    def __init__(self, store: Store) -> None:
        self.rows = store.collection("compute_quotas")
        self.used: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def limits(self, project_id: str) -> dict[str, int]:
        """The quota of a project, -1 for unlimited."""
        return {**DEFAULTS, **{k: v for k, v in (self.rows.get(project_id) or {}).items() if k != "id"}}

    def reserve(self, project_id: str, **amounts: int) -> None:
        """Raise 403 if the quota would be exceeded; otherwise add the amounts to the usage."""
        limits, used = self.limits(project_id), self.used[project_id]
        over = [name for name, amount in amounts.items() if 0 <= limits[name] < used[name] + amount]
        if over:
            raise ApiError(
                403,
                f"Quota exceeded for {', '.join(over)}: Requested {', '.join(str(amounts[n]) for n in over)}, "
                f"but already used {', '.join(str(used[n]) for n in over)} "
                f"of {', '.join(str(limits[n]) for n in over)} {', '.join(over)}",
            )
        self.count(project_id, **amounts)

    def count(self, project_id: str, **amounts: int) -> None:
        """Add amounts, which can be negative, to the usage."""
        for name, amount in amounts.items():
            self.used[project_id][name] += amount

    def routes(self) -> list[Route]:
        """What is answered about quotas."""
        base = "/v2.1/os-quota-sets/{project}"
        return [
            Route("GET", "/v2.1/limits", self.absolute),
            Route("GET", base, self.show),
            Route("GET", base + "/detail", self.detail),
            Route("GET", base + "/defaults", lambda call: Reply(200, {"quota_set": self._set(call, self.limits(""))})),
            Route("PUT", base, self.change),
            Route("DELETE", base, self.reset),
        ]

    def absolute(self, call: Call) -> Reply:
        """The limits of the caller's project, with usage."""
        project = call.one("tenant_id") if call.access.admin and call.one("tenant_id") else call.project
        limits, used = self.limits(str(project)), self.used[str(project)]
        return Reply(
            200,
            {
                "limits": {
                    "rate": [],
                    "absolute": {
                        "maxTotalInstances": limits["instances"],
                        "maxTotalCores": limits["cores"],
                        "maxTotalRAMSize": limits["ram"],
                        "maxTotalKeypairs": limits["key_pairs"],
                        "maxServerGroups": limits["server_groups"],
                        "maxServerGroupMembers": limits["server_group_members"],
                        "maxServerMeta": limits["metadata_items"],
                        "maxImageMeta": limits["metadata_items"],
                        "maxPersonality": limits["injected_files"],
                        "maxPersonalitySize": limits["injected_file_content_bytes"],
                        "totalInstancesUsed": used["instances"],
                        "totalCoresUsed": used["cores"],
                        "totalRAMUsed": used["ram"],
                        "totalServerGroupsUsed": used["server_groups"],
                    },
                }
            },
        )

    def show(self, call: Call) -> Reply:
        """The quota of a project."""
        return Reply(200, {"quota_set": self._set(call, self.limits(self._project(call)))})

    def detail(self, call: Call) -> Reply:
        """The quota of a project with what is used."""
        used = self.used[self._project(call)]
        lines = {
            name: {"limit": limit, "in_use": used[name], "reserved": 0}
            for name, limit in self.limits(self._project(call)).items()
        }
        return Reply(200, {"quota_set": self._set(call, lines)})

    def change(self, call: Call) -> Reply:
        """Set some limits."""
        call.need_admin()
        project = call.params["project"]
        asked = {key: int(value) for key, value in call.dictionary("quota_set").items() if key in DEFAULTS}
        row: Row = {"id": project, **self.limits(project), **asked}
        self.rows.add(row)
        return Reply(200, {"quota_set": {key: value for key, value in row.items() if key != "id"}})

    def reset(self, call: Call) -> Reply:
        """Back to the defaults."""
        call.need_admin()
        self.rows.remove(call.params["project"])
        return Reply(202)

    @staticmethod
    def _project(call: Call) -> str:
        project = call.params["project"]
        if not call.access.sees(project):
            raise ApiError(403, "Policy doesn't allow os_compute_api:os-quota-sets:show to be performed.")
        return project

    @staticmethod
    def _set(call: Call, lines: dict[str, Any]) -> dict[str, Any]:
        # Nova omits network quotas since 2.36 and injected files since 2.57.
        gone: tuple[str, ...] = ()
        if call.version >= (2, 36):
            gone += ("fixed_ips", "floating_ips", "networks", "security_groups", "security_group_rules")
        if call.version >= (2, 57):
            gone += ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
        return {"id": call.params["project"], **{key: value for key, value in lines.items() if key not in gone}}
