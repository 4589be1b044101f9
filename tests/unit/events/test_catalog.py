"""The catalog against the committed one, its examples against their schemas, and the AsyncAPI document."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from scripts.event_catalog import GOLDEN, breaking, compare, current
from shared.bus.topology import EXCHANGE, QUEUES
from shared.events.asyncapi import asyncapi_document, example_event
from shared.events.catalog import CATALOG
from shared.events.envelope import attributes, to_message, with_data
from shared.events.examples import example_of

ROOT = Path(__file__).parents[3]
COMMITTED = json.loads(GOLDEN.read_text())
DOCUMENT = asyncapi_document("https://api.example.org:9511/container-infra")
SCHEMA = json.loads((ROOT / "tests" / "schemas" / "asyncapi-3.1.0.json").read_text())


def test_nothing_breaks_and_everything_new_is_committed() -> None:
    """`python -m scripts.event_catalog --write` adds what is missing: from then on it is a promise."""
    assert compare(COMMITTED, current()) == []
    assert current() == COMMITTED


@pytest.mark.parametrize("name", sorted(COMMITTED))
def test_an_old_example_is_read_and_written_unchanged(name: str) -> None:
    example = COMMITTED[name]["example"]
    assert CATALOG[name].data.model_validate(example).model_dump(mode="json") == example


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number", "minimum": 0}


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (schema(a=TEXT, n=NUMBER, b=TEXT), []),
        (schema(a={"enum": ["x"], "type": "string"}, n={"type": "integer", "minimum": 1}), []),
        (schema(n=NUMBER), ["data.a is no longer required", "data.a is gone"]),
        (schema(a=TEXT, n=NUMBER) | {"required": ["n"]}, ["data.a is no longer required"]),
        (schema(a={"anyOf": [TEXT, {"type": "null"}]}, n=NUMBER), ["data.a can now be null"]),
        (schema(a={"type": "integer"}, n=NUMBER), ["data.a can now be integer"]),
        (schema(a={}, n=NUMBER), ["data.a can now be anything"]),
        (schema(a=TEXT, n={"type": "number"}), ["data.n can now be beyond its minimum"]),
    ],
)
def test_breaking_changes(new: dict[str, Any], told: list[str]) -> None:
    assert breaking(schema(a=TEXT, n=NUMBER), new) == told


def test_breaking_changes_inside_of_lists_and_maps() -> None:
    old = schema(l={"type": "array", "items": TEXT}, m={"type": "object", "additionalProperties": TEXT})
    new = deepcopy(old)
    new["properties"]["l"]["items"] = {"type": "integer"}
    new["properties"]["m"]["additionalProperties"] = True
    assert breaking(old, new) == ["data.l[] can now be integer", "data.m[] can now be anything"]


def test_a_type_that_is_gone_or_changes_its_delivery() -> None:
    name = "cluster.create.requested.v1"
    changed = deepcopy(COMMITTED)
    changed[name]["mandatory"] = False
    del changed["node.joined.v1"]
    assert compare(COMMITTED, changed) == [f"{name}: mandatory is now False", "node.joined.v1 is gone"]


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_examples_fit_their_schemas(name: str) -> None:
    entry = CATALOG[name]
    example = example_of(entry)
    jsonschema_rs.validate(entry.data.model_json_schema(), example)
    assert entry.data.model_validate(example).model_dump(mode="json") == example


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("node.removed.v1", "state", "removing"),
        ("node.failed.v1", "state", "failed"),
        ("cluster.delete.completed.v1", "status", "DELETE_COMPLETE"),
        ("cluster.resize.failed.v1", "status", "UPDATE_FAILED"),
        ("nodegroup.create.started.v1", "kind", "nodegroup_create"),
    ],
)
def test_examples_are_those_of_their_type(name: str, field: str, value: str) -> None:
    assert example_of(CATALOG[name])[field] == value


def test_the_asyncapi_document_is_valid() -> None:
    jsonschema_rs.validate(SCHEMA, DOCUMENT)
    broken = deepcopy(DOCUMENT)
    broken["operations"]["send-stream"]["action"] = "push"
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, broken)


def test_examples_of_messages_fit_the_schemas_in_the_document() -> None:
    """The official parser does not look at this."""
    messages = deepcopy(DOCUMENT["components"]["messages"])
    assert len(messages) == 3 * len(CATALOG)
    for message in messages.values():
        whole = {"components": DOCUMENT["components"], **message["payload"]}
        for example in message["examples"]:
            jsonschema_rs.validate(whole, example["payload"])
            data = example["payload"].get("data", example["payload"])
            data[next(iter(data))] = []
            with pytest.raises(jsonschema_rs.ValidationError):
                jsonschema_rs.validate(whole, example["payload"])


def test_references_lead_somewhere() -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, list):
            return [found for each in part for found in references(each)]
        if isinstance(part, dict):
            return [part["$ref"]] if "$ref" in part else [f for each in part.values() for f in references(each)]
        return []

    for reference in set(references(DOCUMENT)):
        place = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_the_document_says_what_is_sent() -> None:
    """Exchange, routing keys and attributes are those of the code that sends."""
    entry = CATALOG["node.joined.v1"]
    event = example_event(entry)
    row = {
        "id": event["id"],
        "type": entry.name,
        "subject": event["subject"],
        "project_id": event["projectid"],
        "cluster_id": event["clusterid"],
        "operation_id": "o",
        "sequence": 7,
        "trace": event["traceparent"],
        "data": json.dumps(event["data"]),
        "time": datetime.fromisoformat(event["time"]),
    }
    assert json.loads(with_data(attributes(row), row["data"])) == event | {"operationid": "o"}
    message = to_message(row)
    headers = DOCUMENT["components"]["schemas"]["BusHeaders"]
    jsonschema_rs.validate(headers, message.headers)
    assert message.headers["traceparent"] == message.headers["ce-traceparent"] == event["traceparent"]
    assert "traceparent" not in to_message(row | {"trace": None}).headers
    assert set(message.headers) <= set(headers["properties"])
    channel = DOCUMENT["channels"][entry.name]
    assert (channel["address"], channel["bindings"]["amqp"]["exchange"]["name"]) == (message.routing_key, EXCHANGE)
    keys = {key for queue in QUEUES for key in queue.bindings if "#" not in key}
    assert keys <= {each["address"] for each in DOCUMENT["channels"].values()}
