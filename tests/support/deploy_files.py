"""The files of deploy/kubernetes as objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FILES = Path(__file__).parents[2] / "deploy/kubernetes"
Object = dict[str, Any]


def documents(name: str) -> list[Object]:
    return list(yaml.safe_load_all((FILES / name).read_text()))


def merged(base: Any, patch: Any) -> Any:
    """A strategic merge of what these files use: maps by key, containers by name, other lists are replaced."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return {key: merged(base.get(key), patch.get(key)) for key in base | patch}
    if isinstance(base, list) and isinstance(patch, list) and all("name" in each for each in base + patch):
        named = {each["name"]: each for each in base}
        return list({**named, **{each["name"]: merged(named.get(each["name"]), each) for each in patch}}.values())
    return base if patch is None else patch


def whole_process(service: str) -> list[Object]:
    """The objects of a process, as kustomize makes its Deployment of the service's file and what all have in common."""
    own = documents(f"base/{service}.yaml")
    common = documents("base/process.yaml")[0]
    common["metadata"] = {}
    return [merged(each, common) if each["kind"] == "Deployment" else each for each in own]
