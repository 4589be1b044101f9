"""The simulated Cinder v3: volumes with their size and server.

Rule: a volume in use cannot be deleted. A volume created by a server's block device mapping is deleted with the server
if the mapping says so.
"""

from __future__ import annotations

from typing import Any

from sandbox.openstack.clock import iso
from sandbox.openstack.store import Row, Store, by, new_id
from sandbox.openstack.wire import ApiError, Call, Reply, Route, page


def render_error(error: ApiError) -> dict[str, Any]:
    """An error in Cinder's format."""
    return {"itemNotFound" if error.status == 404 else "badRequest": {"code": error.status, "message": error.message}}


class Volumes:
    """Rows and handlers of volumes."""

    def __init__(self, store: Store) -> None:
        self.rows = store.collection("volumes", project=by("project_id"), server=by("_server"))

    def routes(self) -> list[Route]:
        """What Cinder answers."""
        base = "/v3/{project}/volumes"
        return [
            Route("GET", "", self.versions, open=True),
            Route("GET", "/v3", self.versions, open=True),
            Route("GET", base, self.several),
            Route("GET", base + "/detail", self.several),
            Route("POST", base, self.create_by_call),
            Route("GET", base + "/{id}", lambda call: Reply(200, {"volume": self._shown(self._row(call))})),
            Route("DELETE", base + "/{id}", self.delete_by_call),
            Route("GET", "/v3/{project}/os-quota-sets/{target}", self.quota),
            Route("GET", "/v3/{project}/limits", self.limits),
            Route("GET", "/v3/{project}/snapshots/detail", lambda call: Reply(200, {"snapshots": []})),
        ]

    def create(self, project_id: str, fields: dict[str, Any]) -> Row:
        """A new volume; `size` in GiB."""
        return self.rows.add(
            {
                "id": new_id(),
                "name": fields.get("name") or "",
                "description": fields.get("description"),
                "size": int(fields.get("size") or 1),
                "status": "available",
                "project_id": project_id,
                "metadata": fields.get("metadata") or {},
                "availability_zone": fields.get("availability_zone") or "nova",
                "volume_type": fields.get("volume_type") or "simulated",
                "bootable": "true" if fields.get("imageRef") else "false",
                "encrypted": False,
                "multiattach": False,
                "created_at": iso().rstrip("Z"),
                "_server": None,
                "_goes": False,
            }
        )

    def delete(self, row_id: str) -> None:
        """Delete a volume; 400 while a server uses it."""
        row = self.rows.get(row_id)
        if row is None:
            raise ApiError(404, f"Volume {row_id} could not be found.")
        if row["_server"]:
            raise ApiError(
                400, "Invalid volume: Volume status must be available or error, but current status is: in-use."
            )
        self.rows.remove(row_id)

    def attach(self, row_id: str, server_id: str, *, goes: bool = False) -> Row:
        """Attach a volume to a server; `goes`: delete it with the server."""
        row = self.rows.get(row_id)
        if row is None:
            raise ApiError(400, f"Volume {row_id} could not be found.")
        if row["_server"] not in (None, server_id):
            raise ApiError(400, f"Invalid volume: volume {row_id} already attached")
        return self.rows.update(row, status="in-use", _server=server_id, _goes=goes)

    def detach(self, row_id: str) -> None:
        """Detach a volume from its server."""
        if (row := self.rows.get(row_id)) is not None:
            self.rows.update(row, status="available", _server=None)

    def attach_all(self, project_id: str, server_id: str, mappings: list[dict[str, Any]]) -> list[str]:
        """Apply a server's block device mapping. Returns the IDs of its volumes."""
        attached = []
        for one in mappings:
            goes = bool(one.get("delete_on_termination"))
            if one.get("source_type") == "volume" or one.get("volume_id"):
                row_id = str(one.get("uuid") or one.get("volume_id"))
            elif one.get("destination_type") == "volume":
                row_id = self.create(project_id, {"size": one.get("volume_size"), "imageRef": one.get("uuid")})["id"]
            else:
                continue
            attached.append(self.attach(row_id, server_id, goes=goes)["id"])
        return attached

    def release(self, server_id: str) -> None:
        """Detach or delete the volumes of a deleted server."""
        for row in self.rows.where("server", server_id):
            self.detach(row["id"])
            if row["_goes"]:
                self.rows.remove(row["id"])

    def versions(self, call: Call) -> Reply:
        """The version document."""
        links = [{"rel": "self", "href": f"{call.root}/v3/"}]
        version = {"id": "v3.0", "status": "CURRENT", "version": "3.70", "min_version": "3.0", "links": links}
        return Reply(300 if call.path.rstrip("/").endswith("volume") else 200, {"versions": [version]})

    def quota(self, call: Call) -> Reply:
        """Usage of volumes; there is no limit."""
        call.need_member()
        rows = self.rows.where("project", call.params["target"])
        used = {"volumes": len(rows), "gigabytes": sum(row["size"] for row in rows), "snapshots": 0}
        if call.flag("usage"):
            lines: dict[str, Any] = {k: {"limit": -1, "in_use": v, "reserved": 0} for k, v in used.items()}
        else:
            lines = dict.fromkeys(used, -1)
        return Reply(200, {"quota_set": {"id": call.params["target"], **lines}})

    def limits(self, call: Call) -> Reply:
        """The same, in the format of limits."""
        rows = self.rows.where("project", call.project)
        absolute = {
            "maxTotalVolumes": -1,
            "maxTotalVolumeGigabytes": -1,
            "totalVolumesUsed": len(rows),
            "totalGigabytesUsed": sum(row["size"] for row in rows),
        }
        return Reply(200, {"limits": {"rate": [], "absolute": absolute}})

    def several(self, call: Call) -> Reply:
        """A listing of the project's volumes."""
        everybody = call.access.admin and call.one("all_tenants") is not None
        rows = list(self.rows) if everybody else self.rows.where("project", call.project)
        name = call.one("name")
        shown, following = page([row for row in rows if name in (None, row["name"])], call)
        body: dict[str, Any] = {"volumes": [self._shown(row) for row in shown]}
        if following:
            body["volumes_links"] = [{"rel": "next", "href": following}]
        return Reply(200, body)

    def create_by_call(self, call: Call) -> Reply:
        """`POST /volumes`."""
        call.need_member()
        return Reply(202, {"volume": self._shown(self.create(call.project, call.dictionary("volume")))})

    def delete_by_call(self, call: Call) -> Reply:
        """`DELETE /volumes/{id}`."""
        call.need_member()
        self.delete(self._row(call)["id"])
        return Reply(202)

    def _row(self, call: Call) -> Row:
        row = self.rows.get(call.params["id"])
        if row is None or not call.access.sees(row["project_id"]):
            raise ApiError(404, f"Volume {call.params['id']} could not be found.")
        return row

    @staticmethod
    def _shown(row: Row) -> dict[str, Any]:
        shown = {key: value for key, value in row.items() if not key.startswith("_") and key != "project_id"}
        attached = [{"server_id": row["_server"], "volume_id": row["id"], "id": row["id"]}] if row["_server"] else []
        return {**shown, "attachments": attached, "os-vol-tenant-attr:tenant_id": row["project_id"]}
