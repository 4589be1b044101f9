"""Writes the tables of labels in docs/: `python -m scripts.label_tables`.

Rule: a table stands between two comments, `<!-- labels of ENGINE -->` and `<!-- end of labels -->`; what is between
them is generated from the engine's labels. A test compares the committed tables with the generated ones.
"""

from __future__ import annotations

import re
from pathlib import Path

from jeroboam.driver import Engine, InfrastructureLabels
from shared.drivers.discovery import ENGINES, Choice, discover
from shared.drivers.registry import installed_entries

DOCS = Path(__file__).parents[1] / "docs"
_TABLE = re.compile(r"(<!-- labels of ([a-z0-9-]+)( alone)? -->\n).*?(<!-- end of labels -->)", re.DOTALL)


def main() -> None:
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text()
        if (new := with_tables(text)) != text:
            path.write_text(new)


def with_tables(text: str) -> str:
    """A page with current tables of labels, those of beta engines included."""
    entries = installed_entries()
    found = discover(entries, Choice(enabled_beta=[entry.name for entry in entries]))
    engines = {each.name: each.driver for each in found if each.group == ENGINES}
    return _TABLE.sub(lambda match: f"{match[1]}{table(engines[match[2]], alone=bool(match[3]))}{match[4]}", text)


def table(engine: Engine, *, alone: bool) -> str:
    """The labels of an engine as a Markdown table; `alone`: without those of the infrastructure."""
    common = {spec.name for spec in InfrastructureLabels.specs()} if alone else set()
    rows = ["| label | type | default | meaning |", "|---|---|---|---|"]
    for spec in engine.labels():
        if spec.name not in common:
            rows.append(f"| `{spec.name}` | {spec.type} | {_default(spec.default)} | {spec.meaning} |")
    return "\n".join(rows) + "\n"


def _default(value: str | None) -> str:
    """A value as code; words as they are."""
    if value is None:
        return "none"
    return value if " " in value or "`" in value or "'" in value else f"`{value}`"


if __name__ == "__main__":
    main()
