"""Helpers that build Heat templates (HOT) as plain dicts. Source: OpenStack's Heat template guide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Template = dict[str, Any]
# Rocky's version, which all Heat releases in use support.
VERSION = "2018-08-31"

Resources = dict[str, dict[str, Any]]


def template(description: str, resources: Resources, outputs: Mapping[str, Any]) -> Template:
    """A complete template; `outputs` maps a name to its value."""
    return {
        "heat_template_version": VERSION,
        "description": description,
        "resources": resources,
        "outputs": {name: {"value": value} for name, value in outputs.items()},
    }


def resource(kind: str, properties: Mapping[str, Any], *, depends_on: list[str] | None = None) -> dict[str, Any]:
    """A resource. Properties that are None are omitted, because Heat treats an explicit null as a value."""
    body: dict[str, Any] = {
        "type": kind,
        "properties": {key: value for key, value in properties.items() if value is not None},
    }
    if depends_on:
        body["depends_on"] = depends_on
    return body


def get_resource(name: str) -> dict[str, Any]:
    return {"get_resource": name}


def get_attr(name: str, *path: str | int) -> dict[str, Any]:
    return {"get_attr": [name, *path]}
