"""Parses and validates HOT templates, and resolves their functions.

Rule: a template that Heat would reject with 400 is rejected with Heat's message, before anything is created. Resolving
functions does not modify the template.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import yaml

from sandbox.openstack.wire import ApiError

SECTIONS = {"heat_template_version", "description", "parameters", "parameter_groups", "resources", "outputs",
            "conditions"}  # fmt: skip
RESOURCE_KEYS = {"type", "properties", "depends_on", "metadata", "deletion_policy", "update_policy", "external_id",
                 "condition"}  # fmt: skip
MAX_TEMPLATE_BYTES = 524288
MAX_RESOURCES = 1000


@dataclass(frozen=True, slots=True)
class Definition:
    """The definition of a resource in a template."""

    name: str
    type: str
    properties: dict[str, Any]
    requires: frozenset[str]


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. `raw` is what the user sent."""

    raw: dict[str, Any]
    description: str
    resources: dict[str, Definition]
    outputs: dict[str, dict[str, Any]]
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)


class Scope(Protocol):
    """The values that functions in a template can use."""

    def parameter(self, name: str) -> Any:
        """The value of a parameter or pseudo parameter."""
        ...

    def reference(self, resource: str) -> Any:
        """What `get_resource` gives."""
        ...

    def attribute(self, resource: str, path: list[Any]) -> Any:
        """What `get_attr` gives."""
        ...


def invalid(message: str, kind: str = "StackValidationFailed") -> ApiError:
    """Heat's 400 for a template."""
    return ApiError(400, message, kind)


def load(source: Any) -> dict[str, Any]:
    """Load a template from an object, or from YAML or JSON text."""
    if isinstance(source, str):
        if len(source) > MAX_TEMPLATE_BYTES:
            raise invalid(
                f"Request limit exceeded: Template size ({len(source)} bytes) exceeds maximum allowed size "
                f"({MAX_TEMPLATE_BYTES} bytes).",
                "RequestLimitExceeded",
            )
        try:
            source = yaml.safe_load(source)
        except yaml.YAMLError as error:
            raise ApiError(400, f"Template format error: {error}", "HTTPBadRequest") from error
    if not isinstance(source, dict):
        raise ApiError(400, "The template is not a JSON object or YAML mapping.", "HTTPBadRequest")
    return source


def parse(source: Any) -> Template:
    """Parse and validate a template; 400 for errors that do not depend on its resource types."""
    raw = load(source)
    if "heat_template_version" not in raw:
        raise invalid("Template version was not provided", "InvalidTemplateVersion")
    if strange := sorted(set(raw) - SECTIONS):
        raise invalid(f"The template section is invalid: {strange[0]}", "InvalidTemplateSection")
    written = raw.get("resources") or {}
    resources = {name: _definition(name, body) for name, body in written.items()}
    if len(resources) > MAX_RESOURCES:
        words = f"Request limit exceeded: Maximum resources per stack exceeded ({MAX_RESOURCES})."
        raise invalid(words, "RequestLimitExceeded")
    outputs = raw.get("outputs") or {}
    parameters = raw.get("parameters") or {}
    for definition in resources.values():
        _check_references(definition, resources, parameters)
    _check_order(resources)
    description = str(raw.get("description") or "")
    return Template(raw, description, resources, outputs, parameters)


def references(value: Any) -> Iterator[tuple[str, str]]:
    """Every (function, name) of `get_resource`, `get_attr` and `get_param` in a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if len(value) == 1 and key in {"get_resource", "get_attr", "get_param"}:
                named = inner[0] if isinstance(inner, list) and inner else inner
                if isinstance(named, str):
                    yield key, named
                yield from references(inner)
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolve(value: Any, scope: Scope) -> Any:
    """Replace the functions in a value by their results."""
    if isinstance(value, list):
        return [resolve(inner, scope) for inner in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        function, argument = next(iter(value.items()))
        match function:
            case "get_resource":
                return scope.reference(str(argument))
            case "get_param":
                path = [resolve(part, scope) for part in argument] if isinstance(argument, list) else [argument]
                return dig(scope.parameter(str(path[0])), path[1:])
            case "get_attr":
                path = [resolve(part, scope) for part in argument]
                return scope.attribute(str(path[0]), path[1:])
            case "str_replace":
                given = resolve(argument, scope)
                return _replaced(str(given["template"]), given.get("params") or {})
            case "list_join":
                parts = resolve(argument, scope)
                joined = [str(item) for listed in parts[1:] for item in (listed or [])]
                return str(parts[0]).join(joined)
    return {key: resolve(inner, scope) for key, inner in value.items()}


def dig(value: Any, path: list[Any]) -> Any:
    """Follow keys and indexes into a value; None if there is nothing."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and str(step).lstrip("-").isdigit() and -len(value) <= int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _definition(name: str, body: Any) -> Definition:
    if not isinstance(body, dict) or "type" not in body:
        raise invalid(f'Each Resource must contain a "type" key: resources.{name}', "InvalidTemplateVersion")
    if strange := sorted(set(body) - RESOURCE_KEYS):
        raise invalid(f'"{strange[0]}" is not a valid keyword inside a resource definition')
    depends = body.get("depends_on") or []
    named = {depends} if isinstance(depends, str) else set(depends)
    properties = body.get("properties") or {}
    named |= {target for function, target in references(properties) if function != "get_param"}
    return Definition(name, str(body["type"]), properties, frozenset(named))


def _check_references(
    definition: Definition, resources: dict[str, Definition], parameters: dict[str, dict[str, Any]]
) -> None:
    for key, value in definition.properties.items():
        for function, target in references(value):
            if function == "get_param":
                known = target in parameters or target.startswith("OS::")
            else:
                known = target in resources
            if not known and function == "get_param":
                raise invalid(f"The Parameter ({target}) was not provided.", "UserParameterMissing")
            if not known:
                raise invalid(
                    f'The specified reference "{target}" (in {definition.name}.Properties.{key}) is incorrect.',
                    "InvalidTemplateReference",
                )
    if unknown := sorted(definition.requires - resources.keys()):
        raise invalid(
            f'The specified reference "{unknown[0]}" (in {definition.name}) is incorrect.', "InvalidTemplateReference"
        )


def _check_order(resources: dict[str, Definition]) -> None:
    waiting = {name: set(definition.requires) for name, definition in resources.items()}
    users: dict[str, list[str]] = {}
    for name, needs in waiting.items():
        for need in needs:
            users.setdefault(need, []).append(name)
    ready = [name for name, needs in waiting.items() if not needs]
    done = 0
    while ready:
        name = ready.pop()
        done += 1
        for user in users.get(name, []):
            waiting[user].discard(name)
            if not waiting[user]:
                ready.append(user)
    if done < len(resources):
        ring = ", ".join(sorted(name for name, needs in waiting.items() if needs))
        raise invalid(f"Circular Dependency Found: {{{ring}}}", "CircularDependencyException")


def _replaced(text: str, params: dict[str, Any]) -> str:
    # Longest first, as Heat does, so that a placeholder can be a prefix of another.
    for key in sorted(params, key=len, reverse=True):
        value = params[key]
        text = text.replace(key, "" if value is None else str(value))
    return text
