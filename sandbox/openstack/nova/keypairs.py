"""Key pairs and server groups of the simulated Nova.

Rule: a key pair belongs to a user, not to a project, and only this user can read it. Therefore Jeroboam reads it with
the caller's token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.openstack.clock import iso
from sandbox.openstack.nova.quotas import Quotas
from sandbox.openstack.store import Row, Store, by, new_id
from sandbox.openstack.wire import ApiError, Call, Reply, Route, page

SEED_NAME = "lab"
SEED_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvPlH4tsB8xQqyiTBTfyWAZNvx5aYcd7OfkXwV6wJpl lab"


class Keypairs:
    """Rows and handlers of key pairs."""

    def __init__(self, store: Store) -> None:
        self.rows = store.collection("keypairs", user=by("user_id"))

    def seed(self, user_ids: list[str]) -> None:
        """Create a key pair `lab` for each user who has none."""
        for user_id in user_ids:
            if f"{user_id}/{SEED_NAME}" not in self.rows:
                self.add(user_id, SEED_NAME, SEED_KEY)

    def routes(self) -> list[Route]:
        """What is answered about key pairs."""
        return [
            Route("GET", "/v2.1/os-keypairs", self.several),
            Route("POST", "/v2.1/os-keypairs", self.create),
            Route("GET", "/v2.1/os-keypairs/{name}", self.one),
            Route("DELETE", "/v2.1/os-keypairs/{name}", self.delete),
        ]

    def add(self, user_id: str, name: str, public_key: str) -> Row:
        """A key pair of a user."""
        return self.rows.add(
            {
                "id": f"{user_id}/{name}",
                "name": name,
                "public_key": public_key,
                "fingerprint": _fingerprint(public_key),
                "type": "ssh",
                "user_id": user_id,
                "created_at": iso(),
            }
        )

    def several(self, call: Call) -> Reply:
        """The caller's key pairs."""
        rows = self.rows.where("user", self._user(call))
        shown, following = page(rows, call, key="name")
        body: dict[str, Any] = {"keypairs": [{"keypair": self._short(call, row)} for row in shown]}
        if following:
            body["keypairs_links"] = [{"rel": "next", "href": following}]
        return Reply(200, body)

    def create(self, call: Call) -> Reply:
        """Import a public key, or generate a pair and return its private key once."""
        fields = call.dictionary("keypair")
        name, key = str(fields.get("name") or ""), fields.get("public_key")
        if not name:
            raise ApiError(400, "Invalid input for field/attribute name. Value: . '' is too short")
        if f"{call.access.user_id}/{name}" in self.rows:
            raise ApiError(409, f"Key pair '{name}' already exists.")
        private = None
        if not key:
            made = Ed25519PrivateKey.generate()
            key = made.public_key().public_bytes(
                serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
            ).decode()  # fmt: skip
            private = made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
            ).decode()
        row = self.add(call.access.user_id, name, str(key))
        shown = {**self._short(call, row), "user_id": row["user_id"]}
        return Reply(
            201 if call.version >= (2, 2) else 200, {"keypair": {**shown, "private_key": private} if private else shown}
        )

    def one(self, call: Call) -> Reply:
        """One key pair by name."""
        row = self._row(call)
        extra = {"deleted": False, "deleted_at": None, "updated_at": None, "created_at": row["created_at"]}
        return Reply(200, {"keypair": {**self._short(call, row), "id": 1, "user_id": row["user_id"], **extra}})

    def delete(self, call: Call) -> Reply:
        """Delete a key pair."""
        self.rows.remove(self._row(call)["id"])
        return Reply(204 if call.version >= (2, 2) else 202)

    def _row(self, call: Call) -> Row:
        row = self.rows.get(f"{self._user(call)}/{call.params['name']}")
        if row is None:
            raise ApiError(404, f"Keypair {call.params['name']} not found for user {self._user(call)}")
        return row

    @staticmethod
    def _user(call: Call) -> str:
        other = call.one("user_id")
        if other and other != call.access.user_id:
            call.need_admin()
        return other or call.access.user_id

    @staticmethod
    def _short(call: Call, row: Row) -> dict[str, Any]:
        shown = {key: row[key] for key in ("name", "public_key", "fingerprint")}
        # Strict clients (tempest) reject responses with fields of later versions.
        return {**shown, "type": row["type"]} if call.version >= (2, 2) else shown


class ServerGroups:
    """Rows and handlers of server groups."""

    def __init__(self, store: Store, quotas: Quotas) -> None:
        self.rows = store.collection("server_groups", project=by("project_id"))
        self.quotas = quotas

    def routes(self) -> list[Route]:
        """What is answered about server groups."""
        return [
            Route("GET", "/v2.1/os-server-groups", self.several),
            Route("POST", "/v2.1/os-server-groups", self.create_by_call),
            Route("GET", "/v2.1/os-server-groups/{id}", self.one),
            Route("DELETE", "/v2.1/os-server-groups/{id}", self.delete_by_call),
        ]

    def create(self, project_id: str, user_id: str, name: str, policy: str) -> Row:
        """A new server group; 403 over quota."""
        self.quotas.reserve(project_id, server_groups=1)
        return self.rows.add(
            {
                "id": new_id(),
                "name": name,
                "policy": policy,
                "rules": {},
                "members": [],
                "project_id": project_id,
                "user_id": user_id,
            }
        )

    def delete(self, row_id: str) -> None:
        """Delete a server group; its servers are kept."""
        row = self.rows.remove(row_id)
        if row is None:
            raise ApiError(404, f"Instance group {row_id} could not be found.")
        self.quotas.count(row["project_id"], server_groups=-1)

    def several(self, call: Call) -> Reply:
        """The project's server groups, or everybody's for administrators."""
        everybody = call.access.admin and call.one("all_projects") is not None
        rows = list(self.rows) if everybody else self.rows.where("project", call.project)
        return Reply(200, {"server_groups": [self._shown(call, row) for row in rows]})

    def create_by_call(self, call: Call) -> Reply:
        """`POST /os-server-groups`."""
        call.need_member()
        fields = call.dictionary("server_group")
        policy = fields.get("policy") or (fields.get("policies") or ["anti-affinity"])[0]
        row = self.create(call.project, call.access.user_id, str(fields.get("name")), str(policy))
        return Reply(200, {"server_group": self._shown(call, row)})

    def one(self, call: Call) -> Reply:
        """One server group."""
        return Reply(200, {"server_group": self._shown(call, self._row(call))})

    def delete_by_call(self, call: Call) -> Reply:
        """`DELETE /os-server-groups/{id}`."""
        self.delete(self._row(call)["id"])
        return Reply(204)

    def _row(self, call: Call) -> Row:
        row = self.rows.get(call.params["id"])
        if row is None or not call.access.sees(row["project_id"]):
            raise ApiError(404, f"Instance group {call.params['id']} could not be found.")
        return row

    @staticmethod
    def _shown(call: Call, row: Row) -> dict[str, Any]:
        if call.version >= (2, 64):
            return row
        shown = {key: value for key, value in row.items() if key not in {"policy", "rules"}}
        return {**shown, "policies": [row["policy"]], "metadata": {}}


def _fingerprint(public_key: str) -> str:
    try:
        raw = base64.b64decode(public_key.split()[1], validate=True)
    except (IndexError, binascii.Error) as error:
        raise ApiError(400, "Keypair data is invalid: failed to generate fingerprint") from error
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, 32, 2))
