"""Tokens of the simulated Keystone: issued, looked up, revoked.

Rule: a token is an opaque random string with a user and a scope. Its roles are read when it is looked up, so a revoked
role is effective immediately. Expired, revoked and orphaned tokens are invalid.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from sandbox.openstack.clock import iso
from sandbox.openstack.identity.people import DEFAULT_DOMAIN, People
from sandbox.openstack.store import Row, Store
from sandbox.openstack.wire import Access, ApiError

DENIED = "The request you have made requires authentication."
SWEEP_EVERY = 500


class Tokens:
    """Issues and reads tokens.

    Args:
        store: contains tokens as rows, so that they are kept across restarts with a data directory.
        people: the users and projects.
        seconds: lifetime of a token that is not created from another one.
    """

    def __init__(self, store: Store, people: People, seconds: int) -> None:
        self.rows = store.collection("tokens")
        self.people = people
        self.seconds = seconds
        self._issued = 0

    def issue(self, auth: dict[str, Any]) -> Row:
        """A new token from the body of `POST /v3/auth/tokens`; 401 for invalid credentials."""
        identity = auth.get("identity") or {}
        methods = identity.get("methods") or []
        if not methods:
            raise ApiError(400, "Expecting to find identity methods in auth.")
        scope = auth.get("scope")
        row: Row = {"project_id": None, "system": False, "credential_id": None, "expires": time.time() + self.seconds}
        if "token" in methods:
            self._from_token(row, identity.get("token") or {}, scope)
        elif "application_credential" in methods:
            self._from_credential(row, identity.get("application_credential") or {}, scope)
        elif "password" in methods:
            self._from_password(row, (identity.get("password") or {}).get("user") or {})
        else:
            raise ApiError(401, DENIED)
        if row["credential_id"] is None:
            self._scope(row, scope)
        row.update(
            id="sim-" + secrets.token_urlsafe(90),
            methods=sorted({*methods, *row.get("methods", [])}),
            issued=time.time(),
            audit=secrets.token_urlsafe(16),
        )
        self.rows.add(row)
        self._sweep()
        return row

    def find(self, token_id: str | None) -> Row | None:
        """The row of a valid token."""
        row = self.rows.get(token_id)
        if row is None or row["expires"] <= time.time():
            return None
        user = self.people.users.get(row["user_id"])
        if user is None or not user["enabled"]:
            return None
        if row["credential_id"] is not None and row["credential_id"] not in self.people.credentials:
            return None
        return row if not self._scoped(row) or self.roles(row) else None

    def access(self, token_id: str | None) -> Access | None:
        """The access granted by a valid token, or None."""
        row = self.find(token_id)
        if row is None:
            return None
        project = self.people.projects.get(row["project_id"])
        return Access(
            token_id=row["id"],
            user_id=row["user_id"],
            user_name=self.people.users.rows[row["user_id"]]["name"],
            project_id=row["project_id"],
            project_name=project["name"] if project else None,
            roles=frozenset(role["name"] for role in self.roles(row)),
            system=row["system"],
            application_credential_id=row["credential_id"],
        )

    def roles(self, row: Row) -> list[Row]:
        """The current roles of a token."""
        if row["system"]:
            return self.people.roles_on(row["user_id"], "system")
        if row["project_id"] is None or row["project_id"] not in self.people.projects:
            return []
        held = self.people.roles_on(row["user_id"], row["project_id"])
        credential = self.people.credentials.get(row["credential_id"])
        if credential is None:
            return held
        allowed = {role["id"] for role in self.people.expand([role["id"] for role in credential["roles"]])}
        return [role for role in held if role["id"] in allowed]

    def body(self, row: Row) -> dict[str, Any]:
        """The `token` object of an answer, without its catalogue."""
        user = self.people.users.rows[row["user_id"]]
        shown: dict[str, Any] = {
            "methods": row["methods"],
            "user": {
                "domain": self._domain(),
                "id": user["id"],
                "name": user["name"],
                "password_expires_at": None,
            },
            "audit_ids": [row["audit"]],
            "expires_at": iso(row["expires"], micro=True),
            "issued_at": iso(row["issued"], micro=True),
        }
        if row["system"]:
            shown["system"] = {"all": True}
        project = self.people.projects.get(row["project_id"])
        if project is not None:
            shown["project"] = {"domain": self._domain(), "id": project["id"], "name": project["name"]}
            shown["is_domain"] = False
        if self._scoped(row):
            shown["roles"] = [{"id": role["id"], "name": role["name"]} for role in self.roles(row)]
        credential = self.people.credentials.get(row["credential_id"])
        if credential is not None:
            shown["application_credential"] = {
                "id": credential["id"],
                "name": credential["name"],
                "restricted": not credential["unrestricted"],
            }
        return shown

    def _from_password(self, row: Row, reference: dict[str, Any]) -> None:
        user = self.people.named(self.people.users, reference)
        given = str(reference.get("password", ""))
        if user is None or not secrets.compare_digest(given.encode(), str(user["_password"]).encode()):
            raise ApiError(401, DENIED)
        row["user_id"] = user["id"]

    def _from_token(self, row: Row, reference: dict[str, Any], scope: Any) -> None:
        parent = self.find(reference.get("id"))
        if parent is None:
            raise ApiError(401, DENIED)
        wanted = ((scope or {}).get("project") or {}).get("id") if isinstance(scope, dict) else None
        if parent["credential_id"] is not None and wanted not in (None, parent["project_id"]):
            raise ApiError(403, "Application credentials cannot request a scope.")
        row.update(user_id=parent["user_id"], expires=parent["expires"], methods=parent["methods"])
        if parent["credential_id"] is not None:
            row.update(credential_id=parent["credential_id"], project_id=parent["project_id"])

    def _from_credential(self, row: Row, reference: dict[str, Any], scope: Any) -> None:
        if scope:
            raise ApiError(401, "Application credentials cannot request a scope.")
        credential = self.people.credentials.get(reference.get("id"))
        if credential is None and "name" in reference:
            user = self.people.named(self.people.users, reference.get("user") or {})
            owned = self.people.credentials.where("user", user["id"]) if user else []
            credential = next((one for one in owned if one["name"] == reference["name"]), None)
        if credential is None or not secrets.compare_digest(
            str(reference.get("secret", "")).encode(), str(credential["_secret"]).encode()
        ):
            raise ApiError(401, DENIED)
        row.update(user_id=credential["user_id"], project_id=credential["project_id"], credential_id=credential["id"])

    def _scope(self, row: Row, scope: Any) -> None:
        if scope == "unscoped":
            return
        user = self.people.users.rows[row["user_id"]]
        if not scope:
            row["project_id"] = user["default_project_id"]
        elif isinstance(scope, dict) and "project" in scope:
            project = self.people.named(self.people.projects, scope["project"] or {})
            if project is None or not project["enabled"]:
                raise ApiError(401, DENIED)
            row["project_id"] = project["id"]
        elif isinstance(scope, dict) and "system" in scope:
            row["system"] = True
        else:
            raise ApiError(401, DENIED)
        if self._scoped(row) and not self.roles(row):
            raise ApiError(401, f"User {user['id']} has no access to project {row['project_id']}")

    def _sweep(self) -> None:
        self._issued += 1
        if self._issued % SWEEP_EVERY == 0:
            now = time.time()
            for row in self.rows:
                if row["expires"] <= now:
                    self.rows.remove(row["id"])

    @staticmethod
    def _scoped(row: Row) -> bool:
        return bool(row["system"] or row["project_id"])

    @staticmethod
    def _domain() -> dict[str, str]:
        return {"id": DEFAULT_DOMAIN, "name": "Default"}
