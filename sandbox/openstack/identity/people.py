"""Domains, projects, users, roles and role assignments of the simulated Keystone.

Rule: seeded IDs are derived from names, so that they are the same after a restart of a cloud without a data directory.
Roles imply others as after Keystone's bootstrap: admin, member, reader.
"""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.openstack.store import Collection, Row, Store, by
from sandbox.openstack.wire import ApiError

DEFAULT_DOMAIN = "default"
PASSWORD = "secret"  # noqa: S105 - the sandbox's well-known password, documented for its users
IMPLIED = {"admin": "member", "member": "reader"}
ROLES = ("admin", "member", "reader", "service", "load-balancer_member", "heat_stack_owner")
PROJECTS = ("admin", "service", "demo", "alt")
USERS = ("admin", "jeroboam", "demo", "alt", "reader")
ASSIGNMENTS = (
    ("admin", "admin", "admin"),
    ("jeroboam", "service", "admin"),
    ("jeroboam", "service", "service"),
    ("demo", "demo", "member"),
    ("demo", "demo", "load-balancer_member"),
    ("alt", "alt", "member"),
    ("alt", "alt", "load-balancer_member"),
    ("reader", "demo", "reader"),
)


def known_id(kind: str, name: str) -> str:
    """The ID of a seeded resource: 32 hex digits, the same in every run."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"jeroboam-sandbox/{kind}/{name}").hex


class People:
    """Rows of Keystone's assignment and resource back ends."""

    def __init__(self, store: Store) -> None:
        self.domains = store.collection("domains", name=by("name"))
        self.projects = store.collection("projects", name=by("name"))
        self.users = store.collection("users", name=by("name"))
        self.roles = store.collection("roles", name=by("name"))
        self.assignments = store.collection("assignments", user=by("user"), target=by("target"))
        self.credentials = store.collection("application_credentials", user=by("user_id"))

    def seed(self) -> None:
        """Add missing seed data."""
        if DEFAULT_DOMAIN not in self.domains:
            self.domains.add(
                {"id": DEFAULT_DOMAIN, "name": "Default", "enabled": True, "description": "", "tags": [], "options": {}}
            )
        for name in ROLES:
            self._seed(self.roles, "role", name, domain_id=None, description=None, options={})
        for name in PROJECTS:
            if known_id("project", name) not in self.projects:
                self.add_project(name, row_id=known_id("project", name))
        for name in USERS:
            if known_id("user", name) not in self.users:
                self.add_user(name, PASSWORD, row_id=known_id("user", name))
        for user, project, role in ASSIGNMENTS:
            self.grant(known_id("user", user), known_id("project", project), known_id("role", role))
        self.grant(known_id("user", "admin"), "system", known_id("role", "admin"))

    def add_project(self, name: str, *, row_id: str | None = None, **fields: Any) -> Row:
        """A new project; 409 if the name is in use."""
        if self.projects.count("name", name):
            raise ApiError(
                409, f"Conflict occurred attempting to store project - Duplicate entry found with name {name}."
            )
        return self.projects.add(
            {
                "id": row_id or uuid.uuid4().hex,
                "name": name,
                "domain_id": DEFAULT_DOMAIN,
                "description": fields.get("description") or "",
                "enabled": fields.get("enabled", True),
                "parent_id": DEFAULT_DOMAIN,
                "is_domain": False,
                "tags": [],
                "options": {},
            }
        )

    def add_user(self, name: str, password: str, *, row_id: str | None = None, **fields: Any) -> Row:
        """A new user; 409 if the name is in use."""
        if self.users.count("name", name):
            raise ApiError(409, f"Conflict occurred attempting to store user - Duplicate entry found with name {name}.")
        return self.users.add(
            {
                "id": row_id or uuid.uuid4().hex,
                "name": name,
                "domain_id": DEFAULT_DOMAIN,
                "enabled": fields.get("enabled", True),
                "default_project_id": fields.get("default_project_id"),
                "password_expires_at": None,
                "options": {},
                "_password": password,
            }
        )

    def grant(self, user_id: str, target: str, role_id: str, *, inherited: bool = False) -> None:
        """Assign a role on a project, on `system`, or (inherited) on a domain."""
        key = f"{user_id}|{target}|{role_id}|{'inherited' if inherited else 'direct'}"
        if key not in self.assignments:
            self.assignments.add(
                {"id": key, "user": user_id, "target": target, "role": role_id, "inherited": inherited}
            )

    def revoke(self, user_id: str, target: str, role_id: str, *, inherited: bool = False) -> bool:
        """Revoke a role. Returns whether it was assigned."""
        key = f"{user_id}|{target}|{role_id}|{'inherited' if inherited else 'direct'}"
        return self.assignments.remove(key) is not None

    def roles_on(self, user_id: str, target: str) -> list[Row]:
        """The roles of a user on a project or on `system`, implied ones included, by name."""
        direct = [
            row["role"]
            for row in self.assignments.where("user", user_id)
            if (row["target"] == target and not row["inherited"])
            or (row["inherited"] and target != "system" and row["target"] in {target, DEFAULT_DOMAIN})
        ]
        return self.expand(direct)

    def expand(self, role_ids: list[str]) -> list[Row]:
        """Role rows of these IDs and of all that they imply, by name."""
        names: set[str] = set()
        for role_id in role_ids:
            name: str | None = role["name"] if (role := self.roles.get(role_id)) else None
            while name is not None and name not in names:
                names.add(name)
                name = IMPLIED.get(name)
        return [self.roles.where("name", name)[0] for name in sorted(names)]

    def named(self, collection: Collection, reference: dict[str, Any]) -> Row | None:
        """A user or project named by `id`, or by `name` with its domain."""
        if "id" in reference:
            return collection.get(reference["id"])
        domain = reference.get("domain") or {}
        if domain.get("id", DEFAULT_DOMAIN) != DEFAULT_DOMAIN or domain.get("name", "Default") != "Default":
            return None
        found = collection.where("name", reference.get("name"))
        return found[0] if found else None

    def _seed(self, collection: Collection, kind: str, name: str, **fields: Any) -> None:
        row_id = known_id(kind, name)
        if row_id not in collection:
            collection.add({"id": row_id, "name": name, **fields})
