"""The engine of the simulated Heat: reconciles resources with templates.

Rule: each stack has one task, and a new action ends the previous one. The state of each resource is stored before and
after each change, so an interrupted action (by an update, a delete or a restart) can be started again.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog

from sandbox.openstack.clock import iso
from sandbox.openstack.faults import Faults
from sandbox.openstack.heat.resources import compute, neutron, octavia
from sandbox.openstack.heat.resources.resource import Context, ResourceFailed, ResourceType, Services, failure_of
from sandbox.openstack.heat.stacks import Stacks
from sandbox.openstack.heat.template import Template, dig, invalid, parse, resolve
from sandbox.openstack.heat.walk import reversed_graph, walk
from sandbox.openstack.store import Row, new_id
from sandbox.openstack.wire import ApiError

log = structlog.get_logger(__name__)
TYPES: dict[str, ResourceType] = {one.name: one for one in (*neutron.TYPES, *compute.TYPES, *octavia.TYPES)}
CREATE, UPDATE, DELETE = "CREATE", "UPDATE", "DELETE"


class Engine:
    """Runs the actions of stacks.

    Args:
        stacks: the rows.
        services: services that create resources.
        faults: injected faults.
        parallelism: resources of one stack processed in parallel.
    """

    def __init__(self, stacks: Stacks, services: Services, faults: Faults, parallelism: int) -> None:
        self.stacks = stacks
        self.services = services
        self.faults = faults
        self.parallelism = parallelism
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def validate(self, template: Template, project_id: str, user_id: str) -> None:
        """Raise 400 for properties that the resource types do not allow."""
        context = Context(self.services, project_id, user_id)
        for definition in template.resources.values():
            kind = TYPES.get(definition.type)
            if kind is None:
                raise invalid(f"The Resource Type ({definition.type}) could not be found.")
            where = f"resources.{definition.name}.properties"
            if strange := sorted(set(definition.properties) - kind.required - kind.optional):
                raise invalid(f"Property error: : {where}: : Unknown Property {strange[0]}")
            if lacking := sorted(kind.required - set(definition.properties)):
                raise invalid(f"Property error: : {where}: : Property {lacking[0]} not assigned")
            try:
                kind.check(context, definition.properties)
            except ValueError as error:
                raise invalid(f"Property error: : {where}.{error.args[0]}: : {error.args[1]}") from error

    def begin(self, stack: Row, action: str) -> None:
        """Start an action on a stack, ending the current one."""
        changes: dict[str, Any] = {"started": time.time()}
        if action == UPDATE:
            changes["updated"] = iso()
        self.stacks.mark_stack(stack, action, "IN_PROGRESS", f"Stack {action} started", **changes)
        self._run(stack)

    def cancel(self, stack: Row) -> None:
        """End the current action and set the stack to FAILED."""
        self._stop(stack["id"])
        self.stacks.mark_stack(stack, stack["action"], "FAILED", f"Stack {stack['action']} cancelled")

    def resume(self) -> None:
        """After a restart: resume actions in progress."""
        for stack in self.stacks.rows:
            if stack["status"] == "IN_PROGRESS":
                self._run(stack)

    def attribute(self, stack: Row, row: Row | None, path: list[Any]) -> Any:
        """The value of `get_attr` for a resource of a stack."""
        if row is None or not row["physical_id"]:
            return None
        return dig(TYPES[row["type"]].attributes(self._context(stack, row["name"]), row["physical_id"]), path)

    def _run(self, stack: Row) -> None:
        self._stop(stack["id"])
        work = self._delete(stack) if stack["action"] == DELETE else self._converge(stack)
        self._tasks[stack["id"]] = self.services.clock.start(self._limited(stack, work), f"stack {stack['name']}")

    def _stop(self, stack_id: str) -> None:
        task = self._tasks.pop(stack_id, None)
        if task is not None:
            task.cancel()

    async def _limited(self, stack: Row, work: Any) -> None:
        action = stack["action"]
        left = stack["started"] + (stack["timeout_mins"] or 60) * 60 - time.time()
        try:
            async with asyncio.timeout(max(0.0, left)):
                await work
        except TimeoutError:
            if stack["status"] == "IN_PROGRESS":
                self.stacks.mark_stack(stack, action, "FAILED", "Timed out")
        finally:
            work.close()

    async def _converge(self, stack: Row) -> None:
        """Create missing resources, replace changed ones, then delete those no longer in the template."""
        template = parse(stack["template"])
        rows = self.stacks.of(stack["id"])
        graph = {name: set(one.requires) for name, one in template.resources.items()}
        for name, definition in template.resources.items():
            graph[name] |= _implied(template, name)
            if name not in rows:
                rows[name] = self.stacks.add_resource(stack["id"], definition)
            self.stacks.resources.update(rows[name], requires=sorted(graph[name]))
        scope = _Scope(self, stack, rows)

        async def ensure(name: str) -> bool:
            return await self._ensure(stack, template, rows[name], scope)

        if not await walk(graph, ensure, self.parallelism):
            return
        unwanted = {name: row for name, row in rows.items() if name not in template.resources}
        if await self._remove(stack, unwanted) and await self._remove_retired(stack, rows):
            for row in unwanted.values():
                self.stacks.resources.remove(row["id"])
            action = stack["action"]
            self.stacks.mark_stack(stack, action, "COMPLETE", f"Stack {action} completed successfully")

    async def _delete(self, stack: Row) -> None:
        """Delete all resources in reverse order of their dependencies."""
        rows = self.stacks.of(stack["id"])
        if await self._remove_retired(stack, rows) and await self._remove(stack, rows):
            for row in rows.values():
                self.stacks.resources.remove(row["id"])
            changes = {"deleted": iso(), "template": {"heat_template_version": "2018-08-31"}}
            self.stacks.mark_stack(stack, DELETE, "COMPLETE", "Stack DELETE completed successfully", **changes)

    async def _ensure(self, stack: Row, template: Template, row: Row, scope: _Scope) -> bool:
        """Reconcile one resource with the template; False if that failed."""
        definition = template.resources[row["name"]]
        kind, context = TYPES[definition.type], self._context(stack, row["name"])
        latencies = self.services.latencies
        await asyncio.sleep(self.services.clock.between(latencies.resource) * self._slowness(stack, row))
        action = CREATE
        try:
            wanted = resolve(definition.properties, scope)
            wanted = {key: value for key, value in wanted.items() if value is not None}
            if row["physical_id"]:
                same_kind = row["type"] == definition.type
                half_made = row["status"] == "IN_PROGRESS" and row["action"] == CREATE and same_kind
                changed = {k for k in {*wanted, *row["properties"]} if wanted.get(k) != row["properties"].get(k)}
                if half_made and not changed:
                    return await self._finish(stack, row, kind, context, CREATE)
                if not changed and same_kind and row["status"] == "COMPLETE":
                    return True
                if same_kind and row["status"] != "FAILED" and not kind.replaces(changed, wanted):
                    action = UPDATE
                    self.stacks.mark(row, UPDATE, "IN_PROGRESS")
                    kind.update(context, row["physical_id"], wanted)
                    self.stacks.resources.update(row, properties=wanted)
                    return await self._finish(stack, row, kind, context, UPDATE)
                self._retire(context, row)
            if self.faults.behaves("quota", str(wanted.get("name") or row["name"])):
                raise ApiError(403, "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances")
            self.stacks.mark(row, CREATE, "IN_PROGRESS", type=definition.type, properties=wanted)
            self.stacks.resources.update(row, physical_id=kind.create(context, wanted))
            return await self._finish(stack, row, kind, context, CREATE)
        except (ApiError, ResourceFailed) as error:
            self._failed(stack, row, action, error)
            return False

    async def _finish(self, stack: Row, row: Row, kind: ResourceType, context: Context, action: str) -> bool:
        if self.faults.behaves("stuck", f"{stack['name']}/{row['name']}"):
            await asyncio.get_running_loop().create_future()
        await kind.wait(context, row["physical_id"])
        self.stacks.mark(row, action, "COMPLETE")
        return True

    def _retire(self, context: Context, row: Row) -> None:
        old = {"type": row["type"], "physical_id": row["physical_id"], "properties": row["properties"]}
        TYPES[row["type"]].before_replacement(context, row["physical_id"])
        self.stacks.resources.update(row, retired=[*row["retired"], old], physical_id="")

    async def _remove_retired(self, stack: Row, rows: dict[str, Row]) -> bool:
        for row in rows.values():
            for old in list(row["retired"]):
                if not await self._remove_one(stack, row, old["type"], old["physical_id"], old["properties"]):
                    return False
                self.stacks.resources.update(row, retired=[one for one in row["retired"] if one != old])
        return True

    async def _remove(self, stack: Row, rows: dict[str, Row]) -> bool:
        graph = {name: {need for need in row["requires"] if need in rows} for name, row in rows.items()}

        async def remove(name: str) -> bool:
            row = rows[name]
            if row["action"] == DELETE and row["status"] == "COMPLETE":
                return True
            self.stacks.mark(row, DELETE, "IN_PROGRESS")
            if row["physical_id"] and not await self._remove_one(
                stack, row, row["type"], row["physical_id"], row["properties"]
            ):
                return False
            self.stacks.mark(row, DELETE, "COMPLETE")
            return True

        return await walk(reversed_graph(graph), remove, self.parallelism)

    async def _remove_one(self, stack: Row, row: Row, type_name: str, physical_id: str, properties: Any) -> bool:
        kind, context = TYPES[type_name], self._context(stack, row["name"])
        latencies = self.services.latencies
        await asyncio.sleep(self.services.clock.between(latencies.resource) * self._slowness(stack, row))
        try:
            if self.faults.behaves("delete_fails", f"{stack['name']}/{row['name']}"):
                raise ResourceFailed("InternalServerError", "The server has either erred or is incapable (HTTP 500)")
            kind.delete(context, physical_id, properties)
            await kind.wait_gone(context, physical_id)
        except ApiError as error:
            if error.status != 404:
                self._failed(stack, row, DELETE, error)
                return False
        except ResourceFailed as error:
            self._failed(stack, row, DELETE, error)
            return False
        return True

    def _failed(self, stack: Row, row: Row, action: str, error: ApiError | ResourceFailed) -> None:
        if isinstance(error, ApiError):
            service = row["type"].split("::")[1].lower()
            error = failure_of(error, service, f"req-{new_id()}")
        reason = f"{error.kind}: resources.{row['name']}: {error}"
        self.stacks.mark(row, action, "FAILED", reason)
        if stack["status"] == "IN_PROGRESS":
            self.stacks.mark_stack(stack, stack["action"], "FAILED", f"Resource {action} failed: {reason}")

    def _context(self, stack: Row, name: str) -> Context:
        suffix = stack["id"].replace("-", "")[:12]
        return Context(self.services, stack["project_id"], stack["user_id"], f"{stack['name']}-{name}-{suffix}")

    def _slowness(self, stack: Row, row: Row) -> float:
        return self.faults.slowness(f"{stack['name']}/{row['name']}")


class _Scope:
    """The values that functions in a stack's template can use."""

    def __init__(self, engine: Engine, stack: Row, rows: dict[str, Row]) -> None:
        self.engine = engine
        self.stack = stack
        self.rows = rows

    def parameter(self, name: str) -> Any:
        """A parameter's value, or its default."""
        return parameters(self.stack).get(name)

    def reference(self, resource: str) -> Any:
        """The physical ID."""
        row = self.rows.get(resource)
        return row["physical_id"] or None if row else None

    def attribute(self, resource: str, path: list[Any]) -> Any:
        """The current value of an attribute."""
        return self.engine.attribute(self.stack, self.rows.get(resource), path)


def outputs(engine: Engine, stack: Row) -> list[dict[str, Any]]:
    """The outputs of a stack with their values, None if there is none yet."""
    scope = _Scope(engine, stack, engine.stacks.of(stack["id"]))
    shown = []
    for name, body in (stack["template"].get("outputs") or {}).items():
        description = str(body.get("description") or "No description given")
        value = resolve(body.get("value"), scope)
        shown.append({"output_key": name, "description": description, "output_value": value})
    return shown


def parameters(stack: Row) -> dict[str, Any]:
    """The parameters of a stack: pseudo ones, defaults, and what was given."""
    defaults = {name: body.get("default") for name, body in (stack["template"].get("parameters") or {}).items() if body}
    pseudo = {
        "OS::project_id": stack["project_id"],
        "OS::stack_id": stack["id"],
        "OS::stack_name": stack["name"],
    }
    return {**defaults, **stack["parameters"], **pseudo}


def _implied(template: Template, name: str) -> set[str]:
    """Implicit dependencies of Heat: ports on their network's subnets, floating IPs on router interfaces."""
    definition = template.resources[name]
    if definition.type in {"OS::Neutron::FloatingIP", "OS::Neutron::FloatingIPAssociation"}:
        return {one.name for one in template.resources.values() if one.type == "OS::Neutron::RouterInterface"}
    if definition.type == "OS::Neutron::Port":
        network = definition.properties.get("network")
        return {
            one.name
            for one in template.resources.values()
            if one.type == "OS::Neutron::Subnet" and network and one.properties.get("network") == network
        }
    return set()
