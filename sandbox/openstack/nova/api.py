"""Nova v2.1 over HTTP: servers and related resources.

Rule: the format of a response depends on the microversion where openstacksdk and clients need it. User data is shown
only to administrators, as in Nova's policy.
"""

from __future__ import annotations

import re
from typing import Any

from sandbox.openstack.nova import checks
from sandbox.openstack.nova.actions import Actions
from sandbox.openstack.nova.servers import Servers, vm_state
from sandbox.openstack.store import Row
from sandbox.openstack.wire import ApiError, Call, Reply, Route, Version, page, truth

LOWEST: Version = (2, 1)
HIGHEST: Version = (2, 90)
NAMES = {400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 409: "conflictingRequest"}
POWER = {"ACTIVE": 1, "PAUSED": 3, "SHUTOFF": 4, "SUSPENDED": 4, "VERIFY_RESIZE": 1}
TASKS = {"BUILD": "spawning", "REBUILD": "rebuild_spawning", "RESIZE": "resize_migrating"}


def render_error(error: ApiError) -> dict[str, Any]:
    """An error in Nova's format."""
    if error.status == 401:
        return {"error": {"code": 401, "message": error.message, "title": "Unauthorized"}}
    return {NAMES.get(error.status, "computeFault"): {"code": error.status, "message": error.message}}


def negotiate(headers: dict[str, str]) -> Version:
    """The microversion of a request; 406 outside of 2.1 to 2.90."""
    asked = headers.get("x-openstack-nova-api-version", "")
    for part in headers.get("openstack-api-version", "").split(","):
        service, _, version = part.strip().partition(" ")
        if service == "compute":
            asked = version.strip()
    if not asked:
        return LOWEST
    if asked == "latest":
        return HIGHEST
    match = re.fullmatch(r"(\d+)\.(\d+)", asked)
    if match is None:
        raise ApiError(400, f"API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum.")
    version_asked = (int(match[1]), int(match[2]))
    if not LOWEST <= version_asked <= HIGHEST:
        raise ApiError(406, f"Version {asked} is not supported by the API. Minimum is 2.1 and maximum is 2.90.")
    return version_asked


class Nova:
    """Handlers of `/compute`."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.actions = Actions(servers)

    def routes(self) -> list[Route]:
        """What Nova answers."""
        one = "/v2.1/servers/{id}"
        return [
            Route("GET", "", self.versions, open=True),
            Route("GET", "/v2.1", self.version, open=True),
            Route("GET", "/v2.1/servers", self.several),
            Route("POST", "/v2.1/servers", self.create),
            Route("GET", "/v2.1/servers/detail", self.several),
            Route("GET", one, self.show),
            Route("PUT", one, self.update),
            Route("DELETE", one, self.delete),
            Route("GET", one + "/metadata", lambda call: Reply(200, {"metadata": self._row(call)["metadata"]})),
            Route("POST", one + "/metadata", self.set_metadata),
            Route("GET", one + "/os-interface", self.interfaces),
            Route("GET", one + "/os-volume_attachments", self.attachments),
            Route("POST", one + "/action", self.action),
            Route("GET", "/v2.1/os-availability-zone", self.zones),
            Route("GET", "/v2.1/os-availability-zone/detail", self.zones),
            Route("GET", "/v2.1/extensions", lambda call: Reply(200, {"extensions": []})),
            *self.servers.flavors.routes(),
            *self.servers.quotas.routes(),
            *self.servers.keypairs.routes(),
            *self.servers.groups.routes(),
        ]

    def versions(self, call: Call) -> Reply:
        """The only version."""
        return Reply(200, {"versions": [self._version(call)]})

    def version(self, call: Call) -> Reply:
        """The version document of v2.1."""
        return Reply(200, {"version": self._version(call)})

    def several(self, call: Call) -> Reply:
        """A listing, short or in detail, of the project's servers or, for administrators, of all servers."""
        everybody = truth(call.one("all_tenants") or "") or truth(call.one("all_projects") or "")
        rows = self.servers.rows
        if everybody:
            call.need_admin()
            project = call.one("project_id") or call.one("tenant_id")
            listed = rows.where("project", project) if project else list(rows)
        else:
            listed = rows.where("project", call.project)
        # Newest first, as Nova sorts by default.
        chosen = [row for row in reversed(listed) if self._wanted(call, row)]
        shown, following = page(chosen, call)
        detail = call.path.rstrip("/").endswith("detail")
        body: dict[str, Any] = {
            "servers": [self._shown(call, row, alone=False) if detail else _short(call, row) for row in shown]
        }
        if following:
            body["servers_links"] = [{"rel": "next", "href": following}]
        return Reply(200, body)

    def create(self, call: Call) -> Reply:
        """`POST /servers`."""
        call.need_member()
        hints = call.body.get("os:scheduler_hints") or call.body.get("OS-SCH-HNT:scheduler_hints") or {}
        row = self.servers.create(call.project, call.access.user_id, call.dictionary("server"), hints)
        made = {"id": row["id"], "links": _links(call, row), "OS-DCF:diskConfig": "MANUAL", "adminPass": "unused"}
        return Reply(
            202,
            {"server": {**made, "security_groups": [{"name": "default"}]}},
            {"Location": f"{call.root}/v2.1/servers/{row['id']}"},
        )

    def show(self, call: Call) -> Reply:
        """One server."""
        return Reply(200, {"server": self._shown(call, self._row(call))})

    def update(self, call: Call) -> Reply:
        """Rename a server."""
        row = self._row(call)
        name = call.dictionary("server").get("name")
        if name is not None:
            checks.name(name)
        return Reply(200, {"server": self._shown(call, self.servers.rows.update(row, name=name or row["name"]))})

    def delete(self, call: Call) -> Reply:
        """Start to delete a server."""
        call.need_member()
        self.servers.delete(self._row(call)["id"])
        return Reply(204)

    def set_metadata(self, call: Call) -> Reply:
        """Add or change metadata items."""
        call.need_member()
        row = self._row(call)
        items = {**row["metadata"], **call.dictionary("metadata")}
        checks.metadata(items, limit=self.servers.quotas.limits(row["project_id"])["metadata_items"])
        return Reply(200, {"metadata": self.servers.rows.update(row, metadata=items)["metadata"]})

    def interfaces(self, call: Call) -> Reply:
        """The ports of a server."""
        ports = self.servers.neutron.state.ports.where("device_id", self._row(call)["id"])
        shown = [
            {
                "port_id": port["id"],
                "net_id": port["network_id"],
                "mac_addr": port["mac_address"],
                "port_state": port["status"],
                "fixed_ips": port["fixed_ips"],
            }
            for port in ports
        ]
        return Reply(200, {"interfaceAttachments": shown})

    def attachments(self, call: Call) -> Reply:
        """The volumes of a server."""
        row = self._row(call)
        shown = [{"id": one, "volumeId": one, "serverId": row["id"], "device": "/dev/vdb"} for one in row["volumes"]]
        return Reply(200, {"volumeAttachments": shown})

    def action(self, call: Call) -> Reply:
        """Stop, start, rebuild and so on."""
        call.need_member()
        return self.actions.perform(call, self._row(call))

    def zones(self, call: Call) -> Reply:
        """Three availability zones."""
        zones = [{"zoneName": name, "zoneState": {"available": True}, "hosts": None} for name in checks.ZONES]
        return Reply(200, {"availabilityZoneInfo": zones})

    def _row(self, call: Call) -> Row:
        row = self.servers.rows.get(call.params["id"])
        if row is None or not call.access.sees(row["project_id"]):
            raise ApiError(404, f"Instance {call.params['id']} could not be found.")
        return row

    @staticmethod
    def _wanted(call: Call, row: Row) -> bool:
        name, status, tags = call.one("name"), call.one("status"), call.one("tags")
        return (
            (name is None or re.search(name, row["name"]) is not None)
            and (status is None or row["status"] in status.upper().split(","))
            and (tags is None or set(tags.split(",")) <= set(row["tags"]))
            and call.one("flavor") in (None, row["flavor"])
            and call.one("image") in (None, row["image"])
        )

    def _shown(self, call: Call, row: Row, *, alone: bool = True) -> dict[str, Any]:
        flavor = self.servers.flavors.rows.rows[row["flavor"]]
        task = "deleting" if row["deleting"] else TASKS.get(row["status"])
        active = row["status"] == "ACTIVE"
        shown: dict[str, Any] = {
            **_short(call, row),
            "status": row["status"],
            "tenant_id": row["project_id"],
            "user_id": row["user_id"],
            "metadata": row["metadata"],
            "hostId": "5" * 56 if active else "",
            "image": {"id": row["image"], "links": []} if row["image"] else "",
            "flavor": self.servers.flavors.embedded(flavor, call),
            "created": row["created"],
            "updated": row["updated"],
            "addresses": self._addresses(row),
            "accessIPv4": "",
            "accessIPv6": "",
            "OS-DCF:diskConfig": "MANUAL",
            "progress": 0,
            "OS-EXT-AZ:availability_zone": row["zone"] if active else "",
            "config_drive": "",
            "key_name": row["key_name"],
            "OS-SRV-USG:launched_at": row.get("launched", "").rstrip("Z") or None,
            "OS-SRV-USG:terminated_at": None,
            "OS-EXT-STS:task_state": task,
            "OS-EXT-STS:vm_state": vm_state(row["status"]),
            "OS-EXT-STS:power_state": POWER.get(row["status"], 0),
            "os-extended-volumes:volumes_attached": [{"id": one} for one in row["volumes"]],
            "security_groups": [{"name": "default"}],
        }
        # A list lacks the faults of servers that were not scheduled, which are in another cell's database.
        if row["fault"] and (alone or row.get("launched")):
            shown["fault"] = row["fault"]
        if call.version >= (2, 26):
            shown["tags"] = row["tags"]
        if call.version >= (2, 71):
            shown["server_groups"] = [row["group"]] if row["group"] else []
        if call.access.admin:
            shown["OS-EXT-SRV-ATTR:host"] = "simulated" if active else None
            shown["OS-EXT-SRV-ATTR:hypervisor_hostname"] = "simulated" if active else None
            shown["OS-EXT-SRV-ATTR:instance_name"] = f"instance-{row['id'][:8]}"
            if call.version >= (2, 3):
                shown["OS-EXT-SRV-ATTR:user_data"] = row["user_data"]
                shown["OS-EXT-SRV-ATTR:hostname"] = row["name"]
        return shown

    def _addresses(self, row: Row) -> dict[str, list[dict[str, Any]]]:
        state = self.servers.neutron.state
        found: dict[str, list[dict[str, Any]]] = {}
        for port in state.ports.where("device_id", row["id"]):
            network = state.networks.get(port["network_id"])
            listed = found.setdefault(network["name"] if network else "unknown", [])
            mac = port["mac_address"]
            for ip in port["fixed_ips"]:
                listed.append(_address(ip["ip_address"], "fixed", mac))
            for floating in state.floatingips.where("port_id", port["id"]):
                listed.append(_address(floating["floating_ip_address"], "floating", mac))
        return found

    @staticmethod
    def _version(call: Call) -> dict[str, Any]:
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": "2.90",
            "min_version": "2.1",
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": f"{call.root}/v2.1/"}],
            "media-types": [{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}],
        }


def _links(call: Call, row: Row) -> list[dict[str, str]]:
    return [
        {"rel": "self", "href": f"{call.root}/v2.1/servers/{row['id']}"},
        {"rel": "bookmark", "href": f"{call.root}/servers/{row['id']}"},
    ]


def _short(call: Call, row: Row) -> dict[str, Any]:
    return {"id": row["id"], "name": row["name"], "links": _links(call, row)}


def _address(address: str, kind: str, mac: str) -> dict[str, Any]:
    version = 6 if ":" in address else 4
    return {"version": version, "addr": address, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": mac}
