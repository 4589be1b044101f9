"""The simulated Octavia v2: load balancers and their children.

Rule: a load balancer has a port for its address and becomes ACTIVE after a random delay. Deleting it with `cascade`
deletes its children; without `cascade`, they must be deleted first.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sandbox.openstack import octavia_checks
from sandbox.openstack.clock import Clock, iso
from sandbox.openstack.config import Latencies
from sandbox.openstack.neutron.api import Neutron
from sandbox.openstack.store import Row, Store, by, new_id, public
from sandbox.openstack.wire import ApiError, Call, Reply, Route, page, truth

KINDS = ("loadbalancers", "listeners", "pools", "members", "healthmonitors")
# The singular of each kind in responses.
SINGLE = {"loadbalancers": "loadbalancer", "listeners": "listener", "pools": "pool", "healthmonitors": "healthmonitor"}


def render_error(error: ApiError) -> dict[str, Any]:
    """An error in Octavia's format."""
    return {"faultcode": "Client", "faultstring": error.message, "debuginfo": None}


class Octavia:
    """Rows and handlers of load balancers."""

    def __init__(self, store: Store, clock: Clock, latencies: Latencies, neutron: Neutron) -> None:
        self.clock = clock
        self.latencies = latencies
        self.neutron = neutron
        self.rows = {
            kind: store.collection(
                f"lb_{kind}", project=by("project_id"), balancer=by("_balancer"), parent=by("_parent")
            )
            for kind in KINDS
        }

    def routes(self) -> list[Route]:
        """The routes of Octavia; clients use `v2` or `v2.0` as version."""
        routes = [Route("GET", "", self.versions, open=True)]
        for version in ("v2", "v2.0"):
            routes.append(Route("GET", f"/{version}", self.versions, open=True))
            for kind in SINGLE:
                base = f"/{version}/lbaas/{kind}"
                routes.append(Route("GET", base, self._several(kind)))
                routes.append(Route("GET", base + "/{id}", self._one(kind)))
            routes.append(Route("DELETE", f"/{version}/lbaas/loadbalancers/{{id}}", self.delete_by_call))
        return routes

    def create(self, kind: str, project_id: str, fields: dict[str, Any], parent: str | None = None) -> Row:
        """A new load balancer, or a child of `parent`."""
        above = self._above(parent)
        self._check(kind, above, fields, parent)
        row: Row = {
            "id": new_id(),
            "name": "",
            "description": "",
            **fields,
            "project_id": project_id,
            "provisioning_status": "ACTIVE",
            "operating_status": "ONLINE",
            "admin_state_up": True,
            "created_at": iso().rstrip("Z"),
            "_parent": parent,
            "_balancer": above,
        }
        if kind == "loadbalancers":
            subnet = self.neutron.networks.subnet(str(fields["vip_subnet_id"]))
            port = self.neutron.ports.create(
                project_id,
                {
                    "name": f"octavia-lb-{row['id']}",
                    "network_id": subnet["network_id"],
                    "fixed_ips": [{"subnet_id": subnet["id"]}],
                    "device_id": f"lb-{row['id']}",
                    "device_owner": "Octavia",
                },
            )
            row.update(
                vip_port_id=port["id"],
                vip_address=port["fixed_ips"][0]["ip_address"],
                vip_network_id=subnet["network_id"],
                provisioning_status="PENDING_CREATE",
                operating_status="OFFLINE",
            )
        return self.rows[kind].add(row)

    def _check(self, kind: str, above: str | None, fields: dict[str, Any], parent: str | None) -> None:
        if kind == "loadbalancers":
            octavia_checks.balancer(fields)
        elif kind == "healthmonitors" and (balancer := self.rows["loadbalancers"].get(above)) is not None:
            others = self.rows["healthmonitors"].where("parent", parent)
            octavia_checks.monitor(balancer, fields, exists=any(others))
        elif kind in ("listeners", "pools"):
            balancer = self.rows["loadbalancers"].get(above)
            if balancer is None:
                raise ApiError(400, "Validation failure: Must provide at least one of the load balancer or listener.")
            (octavia_checks.listener if kind == "listeners" else octavia_checks.pool)(balancer, fields)

    async def become_active(self, row_id: str) -> None:
        """Wait until the load balancer becomes ACTIVE."""
        await asyncio.sleep(self.clock.between(self.latencies.load_balancer))
        row = self.rows["loadbalancers"].get(row_id)
        if row is not None and row["provisioning_status"] == "PENDING_CREATE":
            self.rows["loadbalancers"].update(row, provisioning_status="ACTIVE", operating_status="ONLINE")

    def delete(self, kind: str, row_id: str, *, cascade: bool = False) -> None:
        """Delete an object; 409 if a load balancer has children and `cascade` is not given."""
        row = self.rows[kind].get(row_id)
        if row is None:
            raise ApiError(404, f"{SINGLE.get(kind, 'member')} {row_id} not found.")
        children = [(below, child) for below in KINDS for child in self.rows[below].where("parent", row_id)]
        if kind == "loadbalancers":
            if children and not cascade:
                raise ApiError(409, f"Load Balancer {row_id} has children; use cascade.")
            self.neutron.ports.delete(row["vip_port_id"])
        for below, child in children:
            self.delete(below, child["id"])
        self.rows[kind].remove(row_id)

    def versions(self, call: Call) -> Reply:
        """The version document."""
        links = [{"rel": "self", "href": f"{call.root}/v2"}]
        return Reply(
            200,
            {
                "versions": [
                    {"id": "v2.0", "status": "SUPPORTED", "links": links},
                    {"id": "v2.26", "status": "CURRENT", "links": links},
                ]
            },
        )

    def delete_by_call(self, call: Call) -> Reply:
        """`DELETE /lbaas/loadbalancers/{id}`."""
        call.need_member()
        row = self._row(call, "loadbalancers")
        self.delete("loadbalancers", row["id"], cascade=truth(call.one("cascade") or ""))
        return Reply(204)

    def _several(self, kind: str) -> Any:
        def handle(call: Call) -> Reply:
            rows = list(self.rows[kind]) if call.access.admin else self.rows[kind].where("project", call.project)
            project, name = call.one("project_id"), call.one("name")
            rows = [r for r in rows if project in (None, r["project_id"]) and name in (None, r["name"])]
            shown, following = page(rows, call)
            links = [{"rel": "next", "href": following}] if following else []
            return Reply(200, {kind: [public(row) for row in shown], f"{kind}_links": links})

        return handle

    def _one(self, kind: str) -> Any:
        return lambda call: Reply(200, {SINGLE[kind]: public(self._row(call, kind))})

    def _row(self, call: Call, kind: str) -> Row:
        row = self.rows[kind].get(call.params["id"])
        if row is None or not call.access.sees(row["project_id"]):
            raise ApiError(404, f"{SINGLE[kind]} {call.params['id']} not found.")
        return row

    def _above(self, parent: str | None) -> str | None:
        for kind in KINDS:
            row = self.rows[kind].get(parent)
            if row is not None:
                return str(row["_balancer"] or row["id"])
        if parent is not None:
            raise ApiError(404, f"Load balancer object {parent} not found.")
        return None
