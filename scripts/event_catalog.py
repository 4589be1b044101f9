"""Compares the event catalog with the committed one, which is what consumers were promised.

    python -m scripts.event_catalog            # fails if a consumer of the committed catalog could break
    python -m scripts.event_catalog --write    # also adds new types, fields and examples to the committed catalog

Rule: within a version, a type may gain fields, and a field may become narrower. It may not lose a field, promise a
field less, or let a field contain more than before. Enumerations are open: new values are no breaking change.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from shared.events.catalog import CATALOG  # noqa: E402
from shared.events.examples import example_of  # noqa: E402

GOLDEN = ROOT / "tests" / "golden" / "event_types.json"
Schema = dict[str, Any]


def current() -> dict[str, Schema]:
    """The catalog as it is committed: name -> schema without references, mandatory, example."""
    return {
        name: {
            "schema": resolved(entry.data.model_json_schema()),
            "mandatory": entry.mandatory,
            "example": example_of(entry),
        }
        for name, entry in sorted(CATALOG.items())
    }


def resolved(schema: Schema) -> Schema:
    """The schema with its definitions in place of references, and without texts."""
    definitions = schema.get("$defs", {})

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            return [plain(each) for each in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            part = definitions[part["$ref"].rpartition("/")[2]]
        found = {key: plain(value) for key, value in part.items() if key not in ("$defs", "title", "default")}
        if isinstance(found.get("description"), str):
            del found["description"]
        return found

    found: Schema = plain(schema)
    return found


def breaking(old: Schema, new: Schema, place: str = "data") -> list[str]:
    """What a consumer that knows `old` cannot expect of documents that fit `new`, as sentences."""
    found = []
    if extra := _types(new) - _types(old):
        found.append(f"{place} can now be {', '.join(sorted(extra))}")
    for word in ("const", "format"):
        if word in old and old[word] != new.get(word):
            found.append(f"{place} is no longer {old[word]}")
    for word, is_wider in (("minimum", lambda a, b: b < a), ("maximum", lambda a, b: b > a)):
        if word in old and (word not in new or is_wider(old[word], new[word])):
            found.append(f"{place} can now be beyond its {word}")
    for name in sorted(set(old.get("required", ())) - set(new.get("required", ()))):
        found.append(f"{place}.{name} is no longer required")
    for name, schema in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            found.append(f"{place}.{name} is gone")
        else:
            found += breaking(schema, new["properties"][name], f"{place}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(old.get(word), dict):
            inner = new.get(word)
            found += breaking(old[word], inner if isinstance(inner, dict) else {}, f"{place}[]")
    return found


def _types(schema: Schema) -> set[str]:
    """The JSON types that a schema accepts."""
    if "anyOf" in schema:
        return set().union(*(_types(each) for each in schema["anyOf"]))
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return {"number", "integer"} if "number" in types else set(types)
    return {"string"} if "enum" in schema else {"anything"}


def compare(old: dict[str, Schema], new: dict[str, Schema]) -> list[str]:
    """Breaking changes of a catalog, as sentences."""
    found = []
    for name, entry in old.items():
        if name not in new:
            found.append(f"{name} is gone")
            continue
        found += [f"{name}: {each}" for each in breaking(entry["schema"], new[name]["schema"])]
        if entry["mandatory"] != new[name]["mandatory"]:
            found.append(f"{name}: mandatory is now {new[name]['mandatory']}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    committed = json.loads(GOLDEN.read_text())
    told = [f"{each}; a new meaning needs a new version of the type" for each in compare(committed, current())]
    if not told and given.write:
        GOLDEN.write_text(json.dumps(current(), indent=1) + "\n")
    elif not told and committed != current():
        told = ["run python -m scripts.event_catalog --write and commit the result"]
    if told:
        raise SystemExit("\n".join(f"event catalog: {each}" for each in told))


if __name__ == "__main__":
    main()
