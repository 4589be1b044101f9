"""The simulated Glance v2: images without data.

Rule: an image has `os_distro` at its top level, as in Glance; one seeded image has none, to test this common mistake.
"""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.openstack.clock import iso
from sandbox.openstack.identity.people import known_id
from sandbox.openstack.store import Row, Store, by
from sandbox.openstack.wire import ApiError, Call, Reply, Route, page

SEED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ubuntu-24.04", {"os_distro": "ubuntu", "os_version": "24.04"}),
    ("ubuntu-22.04", {"os_distro": "ubuntu", "os_version": "22.04"}),
    ("fedora-coreos", {"os_distro": "fedora-coreos", "os_version": "43"}),
    ("flatcar", {"os_distro": "flatcar", "os_version": "4459"}),
    ("dcos-centos-8", {"os_distro": "centos", "os_version": "8"}),
    ("plain", {}),
)
CREATED = "2026-01-01T00:00:00Z"


def render_error(error: ApiError) -> dict[str, Any]:
    """An error in Glance's JSON format."""
    title = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}.get(error.status, "Bad Request")
    return {"message": f"{error.message}<br /><br />\n\n\n", "code": f"{error.status} {title}", "title": title}


class Images:
    """Rows and handlers of images."""

    def __init__(self, store: Store) -> None:
        self.rows = store.collection("images", name=by("name"))

    def seed(self) -> None:
        """Add the seeded images where they are missing."""
        for name, properties in SEED:
            row_id = str(uuid.UUID(known_id("image", name)))
            if row_id not in self.rows:
                self.rows.add(self._new(row_id, name, known_id("project", "admin"), "public", properties))

    def find(self, name_or_id: str) -> Row | None:
        """An image by ID or name."""
        named = self.rows.where("name", name_or_id)
        return self.rows.get(name_or_id) or (named[0] if named else None)

    def routes(self) -> list[Route]:
        """What Glance answers."""
        return [
            Route("GET", "", self.versions, open=True),
            Route("GET", "/versions", self.versions, open=True),
            Route("GET", "/v2/images", self.several),
            Route("POST", "/v2/images", self.create),
            Route("GET", "/v2/images/{id}", lambda call: Reply(200, self._row(call))),
            Route("DELETE", "/v2/images/{id}", self.delete),
            Route(
                "GET", "/v2/schemas/{kind}", lambda call: Reply(200, {"name": call.params["kind"], "properties": {}})
            ),
        ]

    def versions(self, call: Call) -> Reply:
        """The version document."""
        links = [{"rel": "self", "href": f"{call.root}/v2/"}]
        versions = [
            {"id": f"v2.{minor}", "status": "CURRENT" if minor == 15 else "SUPPORTED", "links": links}
            for minor in range(15, -1, -1)
        ]
        return Reply(300 if call.path.rstrip("/").endswith("image") else 200, {"versions": versions})

    def several(self, call: Call) -> Reply:
        """A listing, newest first, filtered by any property."""
        aside = {"limit", "marker", "sort", "sort_key", "sort_dir", "visibility"}
        wanted = {key: value for key, value in call.query if key not in aside}
        visibility = call.one("visibility")
        rows = [
            row
            for row in reversed(list(self.rows))
            if self._visible(call, row)
            and visibility in (None, "all", row["visibility"])
            and all(self._matches(row, key, value) for key, value in wanted.items())
        ]
        shown, following = page(rows, call)
        body: dict[str, Any] = {"images": shown, "first": "/v2/images", "schema": "/v2/schemas/images"}
        if following:
            # Glance returns the next page as a path, not as a URL.
            body["next"] = following.removeprefix(call.root)
        return Reply(200, body)

    def create(self, call: Call) -> Reply:
        """A new image of the caller's project; it is active immediately, because it has no data."""
        call.need_member()
        fields = dict(call.body or {})
        name, visibility = str(fields.pop("name", "")), str(fields.pop("visibility", "private"))
        extra = {key: value for key, value in fields.items() if key not in {"id", "status", "owner"}}
        row = self._new(str(uuid.uuid4()), name, call.project, visibility, extra)
        return Reply(201, self.rows.add(row), {"Location": f"{call.root}/v2/images/{row['id']}"})

    def delete(self, call: Call) -> Reply:
        """Delete an image of the caller's project."""
        row = self._row(call)
        if not call.access.sees(row["owner"]):
            raise ApiError(403, "You are not authorized to complete delete_image action.")
        self.rows.remove(row["id"])
        return Reply(204)

    def _row(self, call: Call) -> Row:
        row = self.rows.get(call.params["id"])
        if row is None or not self._visible(call, row):
            raise ApiError(404, f"No image found with ID {call.params['id']}")
        return row

    @staticmethod
    def _visible(call: Call, row: Row) -> bool:
        return row["visibility"] in {"public", "community"} or call.access.sees(row["owner"])

    @staticmethod
    def _matches(row: Row, key: str, value: str) -> bool:
        if value.startswith("in:"):
            return str(row.get(key)) in {one.strip('"') for one in value[3:].split(",")}
        return str(row.get(key)) == value

    @staticmethod
    def _new(row_id: str, name: str, owner: str, visibility: str, extra: dict[str, Any]) -> Row:
        return {
            **extra,
            "id": row_id,
            "name": name,
            "status": "active",
            "visibility": visibility,
            "owner": owner,
            "protected": False,
            "os_hidden": False,
            "container_format": "bare",
            "disk_format": "qcow2",
            "min_disk": extra.get("min_disk", 0),
            "min_ram": extra.get("min_ram", 0),
            "size": 65536,
            "virtual_size": None,
            "checksum": "0" * 32,
            "tags": [],
            "created_at": CREATED if owner == known_id("project", "admin") else iso(),
            "updated_at": CREATED,
            "file": f"/v2/images/{row_id}/file",
            "self": f"/v2/images/{row_id}",
            "schema": "/v2/schemas/image",
        }
