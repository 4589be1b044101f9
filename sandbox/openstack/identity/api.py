"""Keystone v3 over HTTP: discovery and tokens.

Rule: responses have Keystone's formats and messages; resources other than tokens are in `directory.py`.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.config import CloudConfig
from sandbox.openstack.identity.catalog import catalog
from sandbox.openstack.identity.people import People
from sandbox.openstack.identity.tokens import Tokens
from sandbox.openstack.store import Row
from sandbox.openstack.wire import ApiError, Call, Reply, Route, truth

TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}


def render_error(error: ApiError) -> dict[str, Any]:
    """An error in Keystone's format."""
    title = TITLES.get(error.status, "Error")
    return {"error": {"code": error.status, "message": error.message, "title": title}}


class TokenApi:
    """Handlers of `/identity` and `/identity/v3/auth`."""

    def __init__(self, config: CloudConfig, people: People, tokens: Tokens) -> None:
        self.config = config
        self.people = people
        self.tokens = tokens

    def routes(self) -> list[Route]:
        """The routes of this part."""
        return [
            Route("GET", "", self.versions, open=True),
            Route("GET", "/v3", self.version, open=True),
            Route("POST", "/v3/auth/tokens", self.issue, open=True),
            Route("GET", "/v3/auth/tokens", self.show),
            Route("HEAD", "/v3/auth/tokens", self.show),
            Route("DELETE", "/v3/auth/tokens", self.revoke),
            Route("GET", "/v3/auth/catalog", self.catalog),
            Route("GET", "/v3/auth/projects", self.projects),
            Route("GET", "/v3/auth/system", self.system),
        ]

    def versions(self, call: Call) -> Reply:
        """The only version."""
        return Reply(300, {"versions": {"values": [self._version(call)]}}, {"Location": f"{call.root}/v3/"})

    def version(self, call: Call) -> Reply:
        """The version document of v3."""
        return Reply(200, {"version": self._version(call)})

    def issue(self, call: Call) -> Reply:
        """Authenticate."""
        row = self.tokens.issue(call.dictionary("auth"))
        return Reply(201, {"token": self._token(call, row)}, self._headers(row))

    def show(self, call: Call) -> Reply:
        """Validate the subject token."""
        row = self._subject(call)
        body = None if call.method == "HEAD" else {"token": self._token(call, row)}
        return Reply(200, body, self._headers(row))

    def revoke(self, call: Call) -> Reply:
        """Revoke the subject token."""
        self.tokens.rows.remove(self._subject(call)["id"])
        return Reply(204)

    def catalog(self, call: Call) -> Reply:
        """The catalogue alone."""
        row = self.tokens.rows.rows[call.access.token_id]
        return Reply(200, {"catalog": self._catalog(call, row), "links": {"self": call.base + call.path}})

    def projects(self, call: Call) -> Reply:
        """The projects the caller could scope to."""
        found = [row for row in self.people.projects if self.people.roles_on(call.access.user_id, row["id"])]
        return Reply(200, {"projects": found, "links": {"self": call.base + call.path, "next": None}})

    def system(self, call: Call) -> Reply:
        """Whether the caller could scope to the system."""
        held = self.people.roles_on(call.access.user_id, "system")
        return Reply(200, {"system": [{"all": True}] if held else [], "links": {"self": call.base + call.path}})

    def _subject(self, call: Call) -> Row:
        subject = call.headers.get("x-subject-token")
        if not subject:
            raise ApiError(400, "Expecting to find X-Subject-Token in headers.")
        row = self.tokens.find(subject)
        if row is None:
            raise ApiError(404, "Could not recognize Fernet token")
        own = row["user_id"] == call.access.user_id
        if not own and not call.access.roles & {"admin", "service"}:
            raise ApiError(403, "You are not authorized to perform the requested action: identity:validate_token.")
        return row

    def _token(self, call: Call, row: Row) -> dict[str, Any]:
        body = self.tokens.body(row)
        if "roles" in body and not ("nocatalog" in dict(call.query) and truth(call.one("nocatalog") or "true")):
            body["catalog"] = self._catalog(call, row)
        return body

    def _catalog(self, call: Call, row: Row) -> list[dict[str, Any]]:
        return catalog(call.base, row["project_id"], self.config.region, self.config.container_infra_url)

    @staticmethod
    def _headers(row: Row) -> dict[str, str]:
        return {"X-Subject-Token": row["id"], "Vary": "X-Auth-Token"}

    @staticmethod
    def _version(call: Call) -> dict[str, Any]:
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{call.root}/v3/"}],
            "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
        }
