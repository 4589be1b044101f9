"""Neutron v2.0 over HTTP.

Rule: all kinds have the same implementation of list, show, create, update, delete and tags; the table `_kinds` contains
the differences. Filters work as in Neutron: repeated keys mean "or", different keys mean "and".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.openstack.neutron.filters import select, trimmed
from sandbox.openstack.neutron.networks import Networks
from sandbox.openstack.neutron.ports import Ports
from sandbox.openstack.neutron.routers import Routers
from sandbox.openstack.neutron.security import SecurityGroups
from sandbox.openstack.neutron.state import NeutronState, missing
from sandbox.openstack.notifications import Tell, resource_told, tell_nobody
from sandbox.openstack.store import Collection, Row, Store, public
from sandbox.openstack.wire import ApiError, Call, Reply, Route, page

READ_ONLY = frozenset({"id", "network_id", "cidr", "project_id", "tenant_id", "status", "created_at", "ip_version"})


def render_error(error: ApiError) -> dict[str, Any]:
    """An error in Neutron's format."""
    if error.status == 401:
        return {"error": {"code": 401, "message": error.message, "title": "Unauthorized"}}
    return {"NeutronError": {"type": error.kind or "HTTPError", "message": error.message, "detail": ""}}


@dataclass(frozen=True, slots=True)
class _Kind:
    plural: str
    single: str
    words: str
    rows: Collection
    create: Callable[[str, dict[str, Any]], Row]
    delete: Callable[[str], None]
    update: Callable[[Row, dict[str, Any]], Row] | None = None
    show: Callable[[Row], Row] = public


class Neutron:
    """The simulated Neutron: its parts, and their handlers."""

    def __init__(self, store: Store, tell: Tell = tell_nobody) -> None:
        self._tell = tell
        self.state = NeutronState(store)
        self.networks = Networks(self.state)
        self.groups = SecurityGroups(self.state)
        self.ports = Ports(self.state, self.networks, self.groups)
        self.routers = Routers(self.state, self.networks, self.ports)

    def routes(self) -> list[Route]:
        """What Neutron answers."""
        routes = [Route("GET", "", self.versions, open=True), Route("GET", "/v2.0", self.resources)]
        for kind in self._kinds():
            routes += self._routes(kind)
        for verb, change in (
            ("add", self.routers.add_interface),
            ("remove", self.routers.remove_interface),
        ):
            routes.append(Route("PUT", f"/v2.0/routers/{{id}}/{verb}_router_interface", self._interface(change)))
        routes += [
            Route("GET", "/v2.0/extensions", lambda call: Reply(200, {"extensions": EXTENSIONS})),
            Route("GET", "/v2.0/extensions/{alias}", self.extension),
            Route("GET", "/v2.0/availability_zones", self.zones),
            Route("GET", "/v2.0/agents", lambda call: Reply(200, {"agents": []})),
            Route("GET", "/v2.0/quotas/{project}/details", self.quota_details),
            Route("GET", "/v2.0/quotas/{project}/details.json", self.quota_details),
            Route("GET", "/v2.0/quotas/{project}/default", self.quota_default),
            Route("GET", "/v2.0/quotas/{project}", self.quota),
            Route("PUT", "/v2.0/quotas/{project}", self.set_quota),
            Route("DELETE", "/v2.0/quotas/{project}", self.reset_quota),
        ]
        return routes

    def versions(self, call: Call) -> Reply:
        """The version document."""
        links = [{"rel": "self", "href": f"{call.root}/v2.0/"}]
        return Reply(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})

    def resources(self, call: Call) -> Reply:
        """The collections of v2.0."""
        listed = [
            {"name": kind.single, "collection": kind.plural, "links": [{"rel": "self", "href": f"{call.root}/v2.0/"}]}
            for kind in self._kinds()
        ]
        return Reply(200, {"resources": listed})

    def extension(self, call: Call) -> Reply:
        """One extension, or 404."""
        found = next((one for one in EXTENSIONS if one["alias"] == call.params["alias"]), None)
        if found is None:
            raise ApiError(404, f"Extension with alias {call.params['alias']} does not exist", "ExtensionNotFound")
        return Reply(200, {"extension": found})

    def zones(self, call: Call) -> Reply:
        """The one availability zone, for networks and routers."""
        zones = [{"name": "nova", "state": "available", "resource": kind} for kind in ("network", "router")]
        return Reply(200, {"availability_zones": zones})

    def quota(self, call: Call) -> Reply:
        """The quota of a project."""
        return Reply(200, {"quota": self.state.limits(self._quota_project(call))})

    def quota_default(self, call: Call) -> Reply:
        """The default quota."""
        return Reply(200, {"quota": self.state.limits("")})

    def quota_details(self, call: Call) -> Reply:
        """Limits with what is used."""
        project = self._quota_project(call)
        counted = self.state.counted()
        return Reply(
            200,
            {
                "quota": {
                    name: {
                        "limit": limit,
                        "used": counted[name].count("project", project) if name in counted else 0,
                        "reserved": 0,
                    }
                    for name, limit in self.state.limits(project).items()
                }
            },
        )

    def set_quota(self, call: Call) -> Reply:
        """Set some limits of a project."""
        call.need_admin()
        project = call.params["project"]
        limits = {**self.state.limits(project), **{k: int(v) for k, v in call.dictionary("quota").items()}}
        self.state.quotas.add({"id": project, **limits})
        return Reply(200, {"quota": limits})

    def reset_quota(self, call: Call) -> Reply:
        """Back to the defaults."""
        call.need_admin()
        self.state.quotas.remove(call.params["project"])
        return Reply(204)

    def _quota_project(self, call: Call) -> str:
        if not call.access.sees(call.params["project"]):
            raise ApiError(403, "You are not authorized to perform the requested action.", "PolicyNotAuthorized")
        self.groups.default(call.params["project"])
        return call.params["project"]

    def _kinds(self) -> list[_Kind]:
        state, networks, ports, routers, groups = self.state, self.networks, self.ports, self.routers, self.groups
        return [
            _Kind("networks", "network", "Network", state.networks, networks.create_network, networks.delete_network),
            _Kind("subnets", "subnet", "Subnet", state.subnets, networks.create_subnet, networks.delete_subnet),
            _Kind("ports", "port", "Port", state.ports, ports.create, ports.delete, ports.update),
            _Kind("routers", "router", "Router", state.routers, routers.create, routers.delete, routers.update),
            _Kind(
                "floatingips",
                "floatingip",
                "FloatingIP",
                state.floatingips,
                ports.create_floating,
                ports.delete_floating,
                self._update_floating,
            ),
            _Kind(
                "security-groups", "security_group", "SecurityGroup", state.groups, groups.create, groups.delete,
                show=groups.show,
            ),
            _Kind(
                "security-group-rules", "security_group_rule", "SecurityGroupRule", state.rules, groups.create_rule,
                groups.delete_rule,
            ),
        ]  # fmt: skip

    def _update_floating(self, row: Row, changes: dict[str, Any]) -> Row:
        changes = dict(changes)
        if "port_id" in changes:
            port_id, fixed = changes.pop("port_id"), changes.pop("fixed_ip_address", None)
            row = self.ports.associate(row, port_id, fixed) if port_id else self.ports.release(row)
        return self.state.change(self.state.floatingips, row, **changes)

    def _routes(self, kind: _Kind) -> list[Route]:
        envelope = kind.plural.replace("-", "_")

        def found(call: Call, *, write: bool = False) -> Row:
            row = kind.rows.get(call.params["id"])
            if row is None or not self._visible(call, row):
                raise missing(kind.words, call.params["id"])
            if write:
                call.need_member()
                if not call.access.sees(row["project_id"]):
                    raise ApiError(403, "rule:update is disallowed by policy", "PolicyNotAuthorized")
            return row

        def told(action: str, row: Row) -> None:
            self._tell(resource_told(kind.single, action, row))

        def several(call: Call) -> Reply:
            if kind.plural.startswith("security-group") and call.access.project_id:
                self.groups.default(call.access.project_id)
            rows = [row for row in select(kind.rows, call) if self._visible(call, row)]
            shown, following = page(rows, call, most=100000)
            body: dict[str, Any] = {envelope: [trimmed(kind.show(row), call) for row in shown]}
            if following:
                body[f"{envelope}_links"] = [{"rel": "next", "href": following}]
            return Reply(200, body)

        def create(call: Call) -> Reply:
            call.need_member()
            if isinstance(call.body, dict) and isinstance(call.body.get(envelope), list):
                made = [trimmed(kind.show(self._create(call, kind, one)), call) for one in call.body[envelope]]
                for one in made:
                    told("create", one)
                return Reply(201, {envelope: made})
            row = self._create(call, kind, call.dictionary(kind.single))
            told("create", row)
            return Reply(201, {kind.single: trimmed(kind.show(row), call)})

        def update(call: Call) -> Reply:
            row = found(call, write=True)
            changes = {key: value for key, value in call.dictionary(kind.single).items() if key not in READ_ONLY}
            changed = kind.update(row, changes) if kind.update else self.state.change(kind.rows, row, **changes)
            told("update", changed)
            return Reply(200, {kind.single: trimmed(kind.show(changed), call)})

        def delete(call: Call) -> Reply:
            row = dict(found(call, write=True))
            kind.delete(row["id"])
            told("delete", row)
            return Reply(204)

        def tags(call: Call) -> Reply:
            row = found(call, write=call.method != "GET")
            if call.method == "PUT":
                self.state.change(kind.rows, row, tags=sorted(set(call.body["tags"])))
            elif call.method == "DELETE":
                self.state.change(kind.rows, row, tags=[])
            return Reply(204) if call.method == "DELETE" else Reply(200, {"tags": row["tags"]})

        def tag(call: Call) -> Reply:
            row = found(call, write=call.method != "GET")
            there = call.params["tag"] in row["tags"]
            if call.method == "PUT":
                self.state.change(kind.rows, row, tags=sorted({*row["tags"], call.params["tag"]}))
                return Reply(201)
            if not there:
                raise ApiError(404, f"Tag {call.params['tag']} could not be found.", "TagNotFound")
            if call.method == "DELETE":
                self.state.change(kind.rows, row, tags=[one for one in row["tags"] if one != call.params["tag"]])
            return Reply(204)

        base = f"/v2.0/{kind.plural}"
        return [
            Route("GET", base, several),
            Route("POST", base, create),
            Route("GET", base + "/{id}", lambda call: Reply(200, {kind.single: trimmed(kind.show(found(call)), call)})),
            Route("PUT", base + "/{id}", update),
            Route("DELETE", base + "/{id}", delete),
            *(Route(method, base + "/{id}/tags", tags) for method in ("GET", "PUT", "DELETE")),
            *(Route(method, base + "/{id}/tags/{tag}", tag) for method in ("GET", "PUT", "DELETE")),
        ]

    def _create(self, call: Call, kind: _Kind, fields: Any) -> Row:
        if not isinstance(fields, dict):
            raise ApiError(400, f"Unable to find '{kind.single}' in request body", "HTTPBadRequest")
        fields = dict(fields)
        project = fields.pop("project_id", None) or fields.pop("tenant_id", None) or call.project
        fields.pop("tenant_id", None)
        if project != call.access.project_id:
            call.need_admin()
        network = self.state.networks.get(fields.get("network_id") or fields.get("floating_network_id"))
        if network is not None and not self._visible(call, network):
            raise missing("Network", network["id"])
        return kind.create(project, fields)

    @staticmethod
    def _visible(call: Call, row: Row) -> bool:
        return call.access.sees(row["project_id"]) or bool(row.get("shared") or row.get("router:external"))

    def _interface(self, change: Callable[[Row, dict[str, Any]], dict[str, Any]]) -> Callable[[Call], Reply]:
        def handle(call: Call) -> Reply:
            call.need_member()
            row = self.routers.router(call.params["id"])
            if not call.access.sees(row["project_id"]):
                raise missing("Router", row["id"])
            return Reply(200, change(row, call.body or {}))

        return handle


EXTENSIONS: list[dict[str, Any]] = [
    {"alias": alias, "name": alias, "description": "", "links": [], "updated": "2020-01-01T00:00:00-00:00"}
    for alias in (
        "router",
        "security-group",
        "external-net",
        "quotas",
        "quota_details",
        "standard-attr-tag",
        "standard-attr-description",
        "availability_zone",
        "network_availability_zone",
        "port-security",
        "allowed-address-pairs",
        "project-id",
        "pagination",
        "sorting",
        "binding",
    )
]
