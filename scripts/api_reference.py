"""The API reference as a Markdown page, generated from the application's OpenAPI document.

Rule: `create_app` is the only import from the project. The application opens no connections; it only describes its
routes.
"""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import MagicMock

from services.api.app import create_app

Schema = dict[str, Any]

VERSION_HEADER = "OpenStack-API-Version"
AUTHENTICATION = {
    "keystone": "Keystone token (`X-Auth-Token`)",
    "token": "one-time node token (`X-Jeroboam-Token`)",
    "node": "node credential (`Authorization: Bearer`)",
}
LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "minLength": "length at least",
    "maxLength": "length at most",
}
INTRODUCTION = f"""# API reference

This page is generated from the OpenAPI document that the API serves at `/openapi.json`. [The API](api.md) describes
the behaviour that all requests share and how requests become operations.

Operations that require a Keystone token also accept the header `{VERSION_HEADER}: container-infra <version>`; see
[Where Jeroboam differs from Magnum](magnum-differences.md) for the supported versions. URLs that Magnum defines only
to reject them are not listed.
"""


def api_reference() -> str:
    """Return the reference of all operations, grouped by resource, followed by the schemas that they refer to."""
    document = create_app(MagicMock()).openapi()
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            # Methods that are always rejected have no success response; `detail` is a resource ID in their paths.
            answers = [status for status in operation["responses"] if status.startswith("2")]
            if answers and (method == "get" or not path.endswith("/detail")):
                groups.setdefault(_group(path), []).append(_operation(path, method, operation))
    parts = [INTRODUCTION]
    for name, operations in sorted(groups.items()):
        parts += [f"## {name}\n", *operations]
    parts.append("## Schemas\n")
    for name, schema in document["components"]["schemas"].items():
        parts.append(f"### {name} {{: #schema-{name.lower()} }}\n\n{_fields(schema)}")
    return "\n".join(parts)


def _group(path: str) -> str:
    parts = path.split("/")
    if len(parts) < 3:
        return "Service"
    known = {"clustertemplates": "Cluster templates", "nodes": "Node agents", "mservices": "Services"}
    if parts[2] == "clusters" and len(parts) > 4 and parts[4].startswith("node"):
        return {"nodes": "Nodes", "nodegroups": "Nodegroups"}[parts[4]]
    return known.get(parts[2], parts[2].replace("-", " ").capitalize())


def _operation(path: str, method: str, operation: Schema) -> str:
    lines = [f"### `{method.upper()} {path}`\n", f"{operation['summary']}.\n"]
    scheme = next((name for each in operation.get("security", []) for name in each), "")
    lines.append(f"Authentication: {AUTHENTICATION.get(scheme, 'none')}.\n")
    parameters = [each for each in operation.get("parameters", []) if each["name"] != VERSION_HEADER]
    if parameters:
        lines += ["| parameter | in | type |", "| --- | --- | --- |"]
        lines += [f"| `{each['name']}` | {each['in']} | {type_text(each['schema'])} |" for each in parameters]
        lines.append("")
    if "requestBody" in operation:
        lines.append(_body(operation["requestBody"]["content"]["application/json"]))
    lines += ["| status | body |", "| --- | --- |"]
    lines += [f"| {status} | {_answer(answer)} |" for status, answer in operation["responses"].items()]
    return "\n".join(lines) + "\n"


def _body(content: Schema) -> str:
    schema = content["schema"]
    intro = "Request body:\n"
    if "anyOf" in schema:
        intro = "Request body: a JSON Patch document (a list of operations), or an object with the fields to change:\n"
        schema = next(each for each in schema["anyOf"] if each.get("type") == "object")
    text = f"{intro}\n{_fields(schema)}"
    if "example" in content:
        text += f"\nExample:\n\n```json\n{json.dumps(content['example'], indent=2)}\n```\n"
    return text


def _answer(answer: Schema) -> str:
    kinds = [f"`{media}`: {type_text(each['schema'])}" for media, each in answer.get("content", {}).items()]
    return "; ".join(kinds) or "none"


def _fields(schema: Schema) -> str:
    required = schema.get("required", [])
    properties = schema.get("properties") or {name: {} for name in required}
    if not properties:
        return f"Type: {type_text(schema)}.\n"
    rows = ["| field | type | required |", "| --- | --- | --- |"]
    for name, described in properties.items():
        rows.append(f"| `{name}` | {type_text(described)} | {'yes' if name in required else 'no'} |")
    return "\n".join(rows) + "\n"


def type_text(schema: Schema) -> str:
    """A table cell: the type with its values or limits."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#schema-{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(type_text(each) for each in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(
            "null" if value is None else f"`{value}`" for value in schema["enum"] if value != ""
        )
    kinds = schema.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if "array" in kinds:
        kinds[kinds.index("array")] = f"list of {type_text(schema.get('items', {}))}"
    elif set(schema.get("properties", {})) and len(schema["properties"]) <= 3:
        kinds[0] = "object with " + ", ".join(
            f"`{name}` ({type_text(each)})" for name, each in schema["properties"].items()
        )
    text = " or ".join(kinds)
    found = [f"{said} {schema[key]}" for key, said in LIMITS.items() if key in schema]
    if "pattern" in schema:
        found.append(f"pattern `{schema['pattern']}`".replace("|", "\\|"))
    return one_line(", ".join([text, *found]))


def one_line(text: str) -> str:
    """The text in the form of a table cell."""
    return text.replace("\n", " ")
