"""Keystone v3 over HTTP: users, projects, roles, assignments and application credentials.

Rule: administrators can read and change everything; other users can read themselves and their application credentials.
A secret is shown only when it is created.
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from sandbox.openstack.config import CloudConfig
from sandbox.openstack.identity.catalog import catalog
from sandbox.openstack.identity.people import People
from sandbox.openstack.store import Collection, Row, public
from sandbox.openstack.wire import ApiError, Call, Reply, Route


class DirectoryApi:
    """Handlers of `/identity/v3` other than tokens."""

    def __init__(self, config: CloudConfig, people: People) -> None:
        self.config = config
        self.people = people

    def routes(self) -> list[Route]:
        """The routes of this part."""
        routes: list[Route] = []
        for plural, collection in (
            ("domains", self.people.domains),
            ("projects", self.people.projects),
            ("users", self.people.users),
            ("roles", self.people.roles),
        ):
            routes += self._reading(plural, plural[:-1], collection)
        grant = "/v3/projects/{target}/users/{user}/roles"
        inherit = "/v3/OS-INHERIT/{kind}/{target}/users/{user}/roles/{role}/inherited_to_projects"
        mine = "/v3/users/{user}/application_credentials"
        routes += [
            Route("POST", "/v3/projects", self.create_project),
            Route("DELETE", "/v3/projects/{id}", self.delete_project),
            Route("POST", "/v3/users", self.create_user),
            Route("DELETE", "/v3/users/{id}", self.delete_user),
            Route("GET", "/v3/users/{user}/projects", self.user_projects),
            Route("GET", "/v3/role_assignments", self.assignments),
            Route("GET", grant, self.granted),
            *(Route(method, f"{grant}/{{role}}", self.grant) for method in ("PUT", "HEAD", "GET", "DELETE")),
            *(Route(method, inherit, self.grant) for method in ("PUT", "HEAD", "GET", "DELETE")),
            Route("GET", mine, self.credentials),
            Route("POST", mine, self.create_credential),
            Route("GET", mine + "/{id}", self.show_credential),
            Route("DELETE", mine + "/{id}", self.delete_credential),
            Route("GET", "/v3/services", self.services),
            Route("GET", "/v3/endpoints", self.endpoints),
            Route("GET", "/v3/regions", self.regions),
        ]
        return routes

    def _reading(self, plural: str, single: str, collection: Collection) -> list[Route]:
        def several(call: Call) -> Reply:
            if plural in {"users", "domains"}:
                call.need_admin()
            elif plural == "projects" and not call.access.admin:
                raise ApiError(403, "You are not authorized to perform the requested action: identity:list_projects.")
            wanted = {key: value for key, value in call.query if key in {"name", "domain_id", "enabled", "parent_id"}}
            rows = [public(row) for row in collection if all(_same(row.get(k), v) for k, v in wanted.items())]
            return _listing(call, plural, rows)

        def one(call: Call) -> Reply:
            row = collection.get(call.params["id"])
            own = call.params["id"] in {call.access.user_id, call.access.project_id}
            if row is None or not (call.access.admin or own or plural == "roles" or "service" in call.access.roles):
                status = 404 if call.access.admin else 403
                raise ApiError(status, f"Could not find {single}: {call.params['id']}.")
            return Reply(200, {single: public(row)})

        return [Route("GET", f"/v3/{plural}", several), Route("GET", f"/v3/{plural}/{{id}}", one)]

    def create_project(self, call: Call) -> Reply:
        """A new project."""
        call.need_admin()
        fields = dict(call.dictionary("project"))
        return Reply(201, {"project": self.people.add_project(str(fields.pop("name")), **fields)})

    def delete_project(self, call: Call) -> Reply:
        """Delete a project and the assignments on it."""
        call.need_admin()
        return self._delete(self.people.projects, call.params["id"], "project", "target")

    def create_user(self, call: Call) -> Reply:
        """A new user."""
        call.need_admin()
        fields = dict(call.dictionary("user"))
        row = self.people.add_user(str(fields.pop("name")), str(fields.pop("password", "")), **fields)
        return Reply(201, {"user": public(row)})

    def delete_user(self, call: Call) -> Reply:
        """Delete a user, their assignments and their application credentials."""
        call.need_admin()
        for credential in self.people.credentials.where("user", call.params["id"]):
            self.people.credentials.remove(credential["id"])
        return self._delete(self.people.users, call.params["id"], "user", "user")

    def user_projects(self, call: Call) -> Reply:
        """The projects a user has a role in."""
        self._own(call)
        rows = [row for row in self.people.projects if self.people.roles_on(call.params["user"], row["id"])]
        return _listing(call, "projects", rows)

    def assignments(self, call: Call) -> Reply:
        """Role assignments, filtered by `user.id`, `scope.project.id` and `role.id`."""
        user, target, role = call.one("user.id"), call.one("scope.project.id"), call.one("role.id")
        if not call.access.admin and user != call.access.user_id:
            raise ApiError(
                403, "You are not authorized to perform the requested action: identity:list_role_assignments."
            )
        rows = []
        for row in self.people.assignments:
            if (user or row["user"]) != row["user"] or (role or row["role"]) != row["role"]:
                continue
            if (target or row["target"]) != row["target"]:
                continue
            rows.append(self._assignment(row, names="include_names" in dict(call.query)))
        return _listing(call, "role_assignments", rows)

    def _assignment(self, row: Row, *, names: bool) -> dict[str, Any]:
        def named(collection: Collection, row_id: str) -> dict[str, Any]:
            known = collection.get(row_id)
            if not names or known is None:
                return {"id": row_id}
            domain = {"id": known["domain_id"], "name": "Default"} if known.get("domain_id") else None
            return {"id": row_id, "name": known["name"], **({"domain": domain} if domain else {})}

        scope: dict[str, Any] = {"system": {"all": True}}
        if row["target"] in self.people.domains:
            scope = {"domain": named(self.people.domains, row["target"]), "OS-INHERIT:inherited_to": "projects"}
        elif row["target"] != "system":
            scope = {"project": named(self.people.projects, row["target"])}
        role, user = named(self.people.roles, row["role"]), named(self.people.users, row["user"])
        return {"role": role, "user": user, "scope": scope, "links": {}}

    def granted(self, call: Call) -> Reply:
        """The roles a user was given on a project, without implied ones."""
        call.need_admin()
        held = {
            row["role"]
            for row in self.people.assignments.where("user", call.params["user"])
            if row["target"] == call.params["target"] and not row["inherited"]
        }
        return _listing(call, "roles", [row for row in self.people.roles if row["id"] in held])

    def grant(self, call: Call) -> Reply:
        """Give, check or take one role."""
        call.need_admin()
        user, target, role = call.params["user"], call.params["target"], call.params["role"]
        inherited = "kind" in call.params
        scopes = self.people.domains if call.params.get("kind") == "domains" else self.people.projects
        for kind, collection, key in (
            ("user", self.people.users, user),
            ("project", scopes, target),
            ("role", self.people.roles, role),
        ):
            if key not in collection:
                raise ApiError(404, f"Could not find {kind}: {key}.")
        if call.method == "PUT":
            self.people.grant(user, target, role, inherited=inherited)
        elif call.method == "DELETE":
            if not self.people.revoke(user, target, role, inherited=inherited):
                raise ApiError(
                    404, f"Could not find role assignment with role: {role}, user: {user}, project: {target}."
                )
        elif not any(
            row["target"] == target and row["role"] == role and row["inherited"] == inherited
            for row in self.people.assignments.where("user", user)
        ):
            raise ApiError(404, f"Could not find role assignment with role: {role}, user: {user}, project: {target}.")
        return Reply(204)

    def credentials(self, call: Call) -> Reply:
        """A user's application credentials, without secrets."""
        self._own(call)
        rows = [public(row) for row in self.people.credentials.where("user", call.params["user"])]
        name = call.one("name")
        return _listing(call, "application_credentials", [row for row in rows if name in (None, row["name"])])

    def create_credential(self, call: Call) -> Reply:
        """A new application credential for the token's own project."""
        if call.params["user"] != call.access.user_id:
            raise ApiError(403, "You are not authorized to perform the requested action.")
        self._unrestricted(call)
        fields = call.dictionary("application_credential")
        name = fields.get("name")
        if not name:
            raise ApiError(400, "'name' is a required property")
        if any(row["name"] == name for row in self.people.credentials.where("user", call.access.user_id)):
            raise ApiError(
                409,
                "Conflict occurred attempting to store application_credential - "
                f"Duplicate entry found with name {name} for user {call.access.user_id}.",
            )
        secret = str(fields.get("secret") or secrets.token_urlsafe(64))
        row = self.people.credentials.add(
            {
                "id": uuid.uuid4().hex,
                "name": name,
                "description": fields.get("description"),
                "project_id": call.project,
                "user_id": call.access.user_id,
                "roles": self._chosen_roles(call, fields.get("roles")),
                "expires_at": fields.get("expires_at"),
                "unrestricted": bool(fields.get("unrestricted", False)),
                "system": None,
                "_secret": secret,
            }
        )
        return Reply(201, {"application_credential": {**public(row), "secret": secret}})

    def show_credential(self, call: Call) -> Reply:
        """One application credential, without its secret."""
        return Reply(200, {"application_credential": public(self._credential(call))})

    def delete_credential(self, call: Call) -> Reply:
        """Delete an application credential; its tokens become invalid."""
        self._unrestricted(call)
        self.people.credentials.remove(self._credential(call)["id"])
        return Reply(204)

    def services(self, call: Call) -> Reply:
        """The services of the catalogue."""
        call.need_admin()
        rows = [{"enabled": True, **{k: e[k] for k in ("id", "type", "name")}} for e in self._catalog(call)]
        return _listing(call, "services", rows)

    def endpoints(self, call: Call) -> Reply:
        """The endpoints of the catalogue."""
        call.need_admin()
        rows = [
            {**endpoint, "service_id": entry["id"], "enabled": True}
            for entry in self._catalog(call)
            for endpoint in entry["endpoints"]
        ]
        return _listing(call, "endpoints", rows)

    def regions(self, call: Call) -> Reply:
        """The one region."""
        return _listing(call, "regions", [{"id": self.config.region, "description": "", "parent_region_id": None}])

    def _chosen_roles(self, call: Call, wanted: Any) -> list[dict[str, Any]]:
        held = {row["name"]: row for row in self.people.roles_on(call.access.user_id, call.project)}
        chosen = []
        for one in wanted or [{"name": name} for name in held if name in call.access.roles]:
            row = next((r for r in held.values() if r["id"] == one.get("id") or r["name"] == one.get("name")), None)
            if row is None:
                raise ApiError(400, f"Invalid application credential: Could not find role assignment with role: {one}.")
            chosen.append({"id": row["id"], "name": row["name"], "domain_id": None})
        return chosen

    def _credential(self, call: Call) -> Row:
        self._own(call)
        row = self.people.credentials.get(call.params["id"])
        if row is None or row["user_id"] != call.params["user"]:
            raise ApiError(404, f"Could not find Application Credential: {call.params['id']}.")
        return row

    def _own(self, call: Call) -> None:
        if call.params["user"] != call.access.user_id:
            call.need_admin()

    def _unrestricted(self, call: Call) -> None:
        credential = self.people.credentials.get(call.access.application_credential_id)
        if credential is not None and not credential["unrestricted"]:
            raise ApiError(403, "Could not perform this action with a restricted application credential.")

    def _delete(self, collection: Collection, row_id: str, kind: str, index: str) -> Reply:
        if collection.remove(row_id) is None:
            raise ApiError(404, f"Could not find {kind}: {row_id}.")
        for row in self.people.assignments.where(index, row_id):
            self.people.assignments.remove(row["id"])
        return Reply(204)

    def _catalog(self, call: Call) -> list[dict[str, Any]]:
        return catalog(call.base, "%(project_id)s", self.config.region, self.config.container_infra_url)


def _listing(call: Call, plural: str, rows: list[dict[str, Any]]) -> Reply:
    return Reply(200, {plural: rows, "links": {"next": None, "self": call.base + call.path, "previous": None}})


def _same(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return value == (wanted.lower() in {"true", "1", ""})
    return str(value) == wanted
