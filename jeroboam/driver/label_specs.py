"""Descriptions of labels, read from the fields of an engine's model of labels.

Rule: a label is described where it is parsed. The API, the command line and the tables of the documentation show this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """A label that an engine reads.

    Args:
        type: what its text has to be, such as `whole number, 20 to 28`.
        default: the value that is used without it, or what decides then, in words; None if nothing is.
        meaning: its effect, without a full stop.
        nodegroup: whether a nodegroup can have another value than its cluster.
        example: a value, for a label that every cluster has to have; None for all others.
    """

    name: str
    type: str
    default: str | None
    meaning: str
    nodegroup: bool = False
    example: str | None = None


# Read by the API for a new nodegroup, for every engine.
SERVER_TYPE = LabelSpec(
    "server_type",
    "text",
    "that of the template",
    "hardware of a further nodegroup, such as `vm` or `bm`",
    nodegroup=True,
)


def described(
    default: Any,
    meaning: str,
    *,
    shown: str | None = None,
    names: Sequence[str] = (),
    example: str | None = None,
    **limits: Any,
) -> Any:
    """A field of a model of labels.

    Args:
        shown: the default in words, if it is not a value.
        names: further labels with the same meaning.
        example: a value, for a label that every cluster has to have.
        limits: other arguments of pydantic's `Field`.
    """
    extra: dict[str, Any] = {"shown": shown, "names": list(names), "example": example}
    return Field(default=default, description=meaning, json_schema_extra=extra, **limits)


def specs_of(model: type[BaseModel], of_machines: frozenset[str] = frozenset()) -> list[LabelSpec]:
    """The labels of a model whose fields have descriptions, in the order of the fields.

    Args:
        of_machines: the labels that a nodegroup can have otherwise than its cluster.
    """
    schemas = model.model_json_schema(by_alias=True)["properties"]
    found = []
    for field_name, field in model.model_fields.items():
        if field.description is None:
            continue
        name = field.alias or field_name
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        default = extra.get("shown") or _text(field.default)
        names = extra.get("names")
        for each in (name, *(names if isinstance(names, list) else ())):
            found.append(
                LabelSpec(
                    str(each),
                    _type(schemas[name]),
                    None if default is None else str(default),
                    field.description,
                    name in of_machines,
                    None if (example := extra.get("example")) is None else str(example),
                )
            )
    return [*found, SERVER_TYPE]


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(schema: dict[str, Any]) -> str:
    """A JSON Schema in words."""
    alternatives = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    inner = alternatives[0]
    if "enum" in inner:
        return "one of " + ", ".join(str(each) for each in inner["enum"])
    if inner.get("type") == "integer":
        low, high = inner.get("minimum", inner.get("ge")), inner.get("maximum", inner.get("le"))
        if low is not None and high is not None:
            return f"whole number, {low} to {high}"
        return "whole number" if low is None else f"whole number, {low} or more"
    return {"boolean": "true or false"}.get(inner.get("type", ""), "text")
