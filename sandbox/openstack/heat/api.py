"""Heat v1 over HTTP.

Rule: a stack is shown only at its full path; its name or ID alone redirects (302), which openstacksdk follows, as in
Heat. The project in the path must be that of the token.
"""

from __future__ import annotations

import re
from typing import Any

from sandbox.openstack.heat.engine import CREATE, DELETE, TYPES, UPDATE, Engine, outputs, parameters
from sandbox.openstack.heat.stacks import Stacks
from sandbox.openstack.heat.template import invalid, parse
from sandbox.openstack.heat.views import event_view, listed_view, resource_view, stack_url, stack_view
from sandbox.openstack.store import Row
from sandbox.openstack.wire import ApiError, Call, Reply, Route, page, truth

TITLES = {
    400: ("Bad Request",
          "The server could not comply with the request since it is either malformed or otherwise incorrect."),
    401: ("Unauthorized", "This server could not verify that you are authorized to access this document."),
    403: ("Forbidden", "Access was denied to this resource."),
    404: ("Not Found", "The resource could not be found."),
    409: ("Conflict", "There was a conflict when trying to complete your request."),
}  # fmt: skip
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_.-]{0,254}")
ACCEPTED = {"message": "The request is accepted for processing.<br /><br />\n\n\n", "code": "202 Accepted",
            "title": "Accepted"}  # fmt: skip


def render_error(error: ApiError) -> dict[str, Any]:
    """An error in Heat's format."""
    title, explanation = TITLES.get(error.status, ("Error", error.message))
    inner = {"message": error.message, "traceback": None, "type": error.kind or "HTTPException"}
    return {"code": error.status, "title": title, "explanation": explanation, "error": inner}


class Heat:
    """Handlers of `/orchestration`."""

    def __init__(self, stacks: Stacks, engine: Engine) -> None:
        self.stacks = stacks
        self.engine = engine

    def routes(self) -> list[Route]:
        """What Heat answers."""
        base = "/v1/{project}"
        full = base + "/stacks/{name}/{id}"
        tail = "(?P<tail>resources|events|template|outputs|actions|environment|files)"
        return [
            Route("GET", "", self.versions, open=True),
            Route("GET", "/v1", self.versions, open=True),
            Route("POST", base + "/validate", self.validate),
            Route("GET", base + "/resource_types", self.resource_types),
            Route("GET", base + "/build_info", lambda call: Reply(200, {"api": {"revision": "simulated"}})),
            Route("GET", base + "/services", lambda call: Reply(200, {"services": []})),
            Route("GET", base + "/stacks", self.several),
            Route("GET", base + "/stacks/detail", self.several),
            Route("POST", base + "/stacks", self.create),
            *(Route(m, base + "/stacks/{name}", self.redirect) for m in ("GET", "POST", "PUT", "PATCH", "DELETE")),
            *(Route(method, base + "/stacks/{name}/" + tail, self.redirect) for method in ("GET", "POST")),
            Route("GET", full, self.show),
            Route("PUT", full, self.update),
            Route("PATCH", full, self.update),
            Route("DELETE", full, self.delete),
            Route("GET", full + "/resources", self.resources),
            Route("GET", full + "/resources/{resource}", self.resource),
            Route("GET", full + "/resources/{resource}/events", self.events),
            Route("GET", full + "/events", self.events),
            Route("GET", full + "/template", lambda call: Reply(200, self._stack(call)["template"])),
            Route("GET", full + "/environment", self.environment),
            Route("GET", full + "/files", lambda call: Reply(200, {})),
            Route("GET", full + "/outputs", self.outputs),
            Route("GET", full + "/outputs/{output}", self.output),
            Route("POST", full + "/actions", self.action),
        ]

    def versions(self, call: Call) -> Reply:
        """The version document."""
        links = [{"rel": "self", "href": f"{call.root}/v1/"}]
        return Reply(300, {"versions": [{"id": "v1.0", "status": "CURRENT", "links": links}]})

    def create(self, call: Call) -> Reply:
        """`POST /stacks`."""
        project = self._project(call, write=True)
        body = _body(call)
        name = str(body.get("stack_name") or "")
        if not NAME.fullmatch(name):
            raise invalid(
                f'Invalid stack name {name} must contain only alphanumeric or "_-." characters, '
                "must start with alpha and must be 255 characters or less."
            )
        if self.stacks.rows.count("live", (project, name)):
            raise ApiError(409, f"The Stack ({name}) already exists.", "StackExists")
        template = parse(body.get("template"))
        self.engine.validate(template, project, call.access.user_id)
        stack = self.stacks.add(
            project,
            call.access.user_id,
            call.access.user_name,
            name=name,
            template=template.raw,
            description=template.description,
            parameters=_given(body),
            tags=_tags(body.get("tags")),
            timeout_mins=body.get("timeout_mins") or 60,
            disable_rollback=truth(body.get("disable_rollback", True)),
        )
        self._need_parameters(stack)
        self.engine.begin(stack, CREATE)
        made = {"id": stack["id"], "links": [{"href": stack_url(call, stack), "rel": "self"}]}
        return Reply(201, {"stack": made}, {"Location": stack_url(call, stack)})

    def update(self, call: Call) -> Reply:
        """`PUT` replaces everything; `PATCH` keeps values that are not given."""
        project = self._project(call, write=True)
        stack, body = self._stack(call, live=True), _body(call)
        if stack["action"] == DELETE:
            raise ApiError(
                400,
                f"Updating a stack when it is in ({stack['action']}, {stack['status']}) state is not supported.",
                "NotSupported",
            )
        patch = call.method == "PATCH"
        if not patch and not body.get("template"):
            raise ApiError(400, "No template specified", "HTTPBadRequest")
        template = parse(body.get("template") or stack["template"])
        self.engine.validate(template, project, call.access.user_id)
        changes: dict[str, Any] = {"template": template.raw, "description": template.description}
        changes["parameters"] = {**stack["parameters"], **_given(body)} if patch else _given(body)
        if "tags" in body or not patch:
            changes["tags"] = _tags(body.get("tags"))
        if body.get("timeout_mins"):
            changes["timeout_mins"] = body["timeout_mins"]
        self.stacks.rows.update(stack, **changes)
        self._need_parameters(stack)
        self.engine.begin(stack, UPDATE)
        return Reply(202, ACCEPTED)

    def delete(self, call: Call) -> Reply:
        """Start to delete a stack in any state."""
        self._project(call, write=True)
        stack = self._stack(call, live=True)
        if (stack["action"], stack["status"]) != (DELETE, "IN_PROGRESS"):
            self.engine.begin(stack, DELETE)
        return Reply(204)

    def show(self, call: Call) -> Reply:
        """One stack, its outputs resolved unless the query says not to."""
        stack = self._stack(call)
        shown = stack_view(call, stack, parameters(stack))
        if stack["deleted"]:
            shown["outputs"] = None
        elif call.flag("resolve_outputs", True):
            shown["outputs"] = outputs(self.engine, stack)
        return Reply(200, {"stack": shown})

    def several(self, call: Call) -> Reply:
        """A listing, newest first, by tags and states."""
        project = self._project(call)
        everybody = call.flag("global_tenant")
        if everybody:
            call.need_admin()
        rows = list(self.stacks.rows) if everybody else self.stacks.rows.where("project", project)
        gone = call.flag("show_deleted")
        rows = [row for row in reversed(rows) if (gone or not row["deleted"]) and _chosen(call, row)]
        shown, following = page(rows, call)
        body: dict[str, Any] = {"stacks": [listed_view(call, row) for row in shown]}
        if call.flag("with_count"):
            body["count"] = len(rows)
        if following:
            body["links"] = [{"rel": "next", "href": following}]
        return Reply(200, body)

    def redirect(self, call: Call) -> Reply:
        """Redirect from a name or ID to the full path."""
        project = self._project(call)
        stack = self.stacks.find(project, call.params["name"], admin=call.access.admin)
        tail = call.params.get("tail")
        to = stack_url(call, stack) + (f"/{tail}" if tail else "")
        query = "&".join(f"{key}={value}" for key, value in call.query)
        to += f"?{query}" if query else ""
        words = f'The resource was found at <a href="{to}">{to}</a>;\nyou should be redirected automatically.\n\n'
        return Reply(302, {"message": words, "code": "302 Found", "title": "Found"}, {"Location": to})

    def resources(self, call: Call) -> Reply:
        """The resources of a stack, filtered by name, type and status."""
        stack = self._stack(call)
        rows = self.stacks.of(stack["id"])
        needed: dict[str, list[str]] = {name: [] for name in rows}
        for row in rows.values():
            for need in row["requires"]:
                needed.setdefault(need, []).append(row["name"])
        shown = [
            resource_view(call, stack, row, needed[row["name"]])
            for row in rows.values()
            if call.one("name") in (None, row["name"])
            and call.one("type") in (None, row["type"])
            and call.one("status") in (None, row["status"])
        ]
        return Reply(200, {"resources": shown})

    def resource(self, call: Call) -> Reply:
        """One resource with its attributes."""
        stack = self._stack(call)
        rows = self.stacks.of(stack["id"])
        row = rows.get(call.params["resource"])
        if row is None:
            raise ApiError(
                404,
                f"The Resource ({call.params['resource']}) could not be found in Stack {stack['name']}.",
                "EntityNotFound",
            )
        needed = [other["name"] for other in rows.values() if row["name"] in other["requires"]]
        shown = resource_view(call, stack, row, needed)
        return Reply(200, {"resource": {**shown, "attributes": self.engine.attribute(stack, row, []) or {}}})

    def events(self, call: Call) -> Reply:
        """The events of a stack or of one resource, oldest first."""
        stack = self._stack(call)
        resource = call.params.get("resource")
        rows = [
            row for row in self.stacks.events.where("stack", stack["id"]) if resource in (None, row["resource_name"])
        ]
        if call.one("sort_dir") == "desc":
            rows.reverse()
        shown, _ = page(rows, call)
        return Reply(200, {"events": [event_view(call, stack, row) for row in shown]})

    def environment(self, call: Call) -> Reply:
        """The environment of the stack."""
        return Reply(200, {"parameters": self._stack(call)["parameters"], "resource_registry": {}})

    def outputs(self, call: Call) -> Reply:
        """The names of the outputs."""
        found = outputs(self.engine, self._stack(call))
        keys = ("output_key", "description")
        return Reply(200, {"outputs": [{key: one[key] for key in keys} for one in found]})

    def output(self, call: Call) -> Reply:
        """One output with its value."""
        for one in outputs(self.engine, self._stack(call)):
            if one["output_key"] == call.params["output"]:
                return Reply(200, {"output": one})
        raise ApiError(404, f"Specified output key {call.params['output']} not found.", "NotFound")

    def action(self, call: Call) -> Reply:
        """`check` and `cancel_update`."""
        self._project(call, write=True)
        stack, body = self._stack(call, live=True), _body(call)
        if "check" in body:
            self.stacks.mark_stack(stack, "CHECK", "COMPLETE", "Stack CHECK completed successfully")
        elif "cancel_update" in body or "cancel_without_rollback" in body:
            if stack["status"] != "IN_PROGRESS":
                raise ApiError(
                    400,
                    f"Cancelling update when stack is {(stack['action'], stack['status'])} is not supported.",
                    "NotSupported",
                )
            self.engine.cancel(stack)
        else:
            raise ApiError(400, f"Invalid action {', '.join(body)} specified", "HTTPBadRequest")
        return Reply(202, ACCEPTED)

    def validate(self, call: Call) -> Reply:
        """Validate a template without creating anything."""
        project = self._project(call)
        template = parse(_body(call).get("template"))
        self.engine.validate(template, project, call.access.user_id)
        return Reply(
            200,
            {
                "Description": template.description or "No description",
                "Parameters": template.parameters,
                "ParameterGroups": [],
            },
        )

    def resource_types(self, call: Call) -> Reply:
        """The available types."""
        return Reply(200, {"resource_types": sorted(TYPES)})

    def _project(self, call: Call, *, write: bool = False) -> str:
        project = call.params["project"]
        if project != call.access.project_id:
            raise ApiError(403, "You are not authorized to use this project.", "Forbidden")
        if write:
            call.need_member()
        return project

    def _stack(self, call: Call, *, live: bool = False) -> Row:
        project = self._project(call)
        stack = self.stacks.find(project, call.params["id"], admin=call.access.admin)
        if stack["id"] != call.params["id"] or (live and stack["deleted"]):
            raise ApiError(404, f"The Stack ({call.params['name']}) could not be found.", "EntityNotFound")
        return stack

    def _need_parameters(self, stack: Row) -> None:
        given = parameters(stack)
        for name in stack["template"].get("parameters") or {}:
            if given.get(name) is None:
                raise invalid(f"The Parameter ({name}) was not provided.", "UserParameterMissing")


def _body(call: Call) -> dict[str, Any]:
    if not isinstance(call.body, dict):
        raise ApiError(400, "JSON body size or form is not acceptable", "HTTPBadRequest")
    return call.body


def _given(body: dict[str, Any]) -> dict[str, Any]:
    environment = body.get("environment")
    inner = environment.get("parameters") if isinstance(environment, dict) else None
    return {**(inner or {}), **(body.get("parameters") or {})}


def _tags(value: Any) -> list[str]:
    listed = value.split(",") if isinstance(value, str) else list(value or [])
    return [str(tag).strip() for tag in listed if str(tag).strip()]


def _chosen(call: Call, row: Row) -> bool:
    held = set(row["tags"])
    tests = (
        ("tags", lambda asked: asked <= held),
        ("tags_any", lambda asked: bool(asked & held)),
        ("not_tags", lambda asked: not asked <= held),
        ("not_tags_any", lambda asked: not asked & held),
    )
    for key, test in tests:
        value = call.one(key)
        if value and not test(set(value.split(","))):
            return False
    fields = {"name": "name", "stack_name": "name", "id": "id", "action": "action"}
    for key, column in fields.items():
        asked = call.all(key)
        if asked and row[column] not in asked:
            return False
    states = call.all("status")
    return not states or row["status"] in states or f"{row['action']}_{row['status']}" in states
