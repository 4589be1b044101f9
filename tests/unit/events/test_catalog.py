"""The catalog against its golden file: within a version, fields are only added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.events.catalog import CATALOG

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "event_types.json").read_text())


def test_no_type_is_dropped() -> None:
    assert set(GOLDEN) <= set(CATALOG)


def test_a_new_type_is_written_down() -> None:
    """Add what is missing to tests/golden/event_types.json: from then on it is a promise."""
    assert set(CATALOG) <= set(GOLDEN)


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_type_still_means_what_was_promised(name: str) -> None:
    schema = CATALOG[name].data.model_json_schema()
    assert fields(schema) | GOLDEN[name]["fields"] == fields(schema)
    assert set(schema.get("required", [])) == set(GOLDEN[name]["required"])
    assert CATALOG[name].mandatory == GOLDEN[name]["mandatory"]


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_the_example_is_read_and_written_unchanged(name: str) -> None:
    example = GOLDEN[name]["example"]
    data = CATALOG[name].data.model_validate(example)
    assert data.model_dump(mode="json") == example


def fields(schema: dict[str, Any]) -> dict[str, str]:
    """Field -> its JSON type, as the schema has it."""
    return {
        name: json.dumps({key: value for key, value in field.items() if key in ("type", "anyOf", "$ref", "items")})
        for name, field in schema["properties"].items()
    }
