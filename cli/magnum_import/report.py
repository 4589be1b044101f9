"""The result of an import, with one line per object, and the exit status.

Rule: every object of the source is reported once, with the reason if it was not imported and with notes about what was
lost. The exit status is 0 only if nothing was refused and no certificate is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

COLUMNS = ("kind", "name", "uuid", "outcome", "notes")
REFUSED_STATUS = 3  # 1 and 2 mean that the command itself failed


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT = "kept"  # changed after it was imported; the source was not applied
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Line:
    """One object of the source.

    Args:
        notes: why it was not imported, or what is different after the import.
        whole: False if a certificate that Magnum has could not be read.
    """

    kind: str
    name: str
    uuid: str
    project_id: str
    outcome: Outcome
    notes: tuple[str, ...] = ()
    whole: bool = True

    def row(self) -> dict[str, Any]:
        return {**asdict(self), "outcome": str(self.outcome), "notes": "; ".join(self.notes) or None}


@dataclass(frozen=True, slots=True)
class Report:
    lines: Sequence[Line]
    dry_run: bool

    @property
    def status(self) -> int:
        """The exit status: 0 if everything was imported completely, otherwise 3."""
        return REFUSED_STATUS if any(line.outcome is Outcome.REFUSED or not line.whole for line in self.lines) else 0

    def counts(self) -> dict[str, dict[str, int]]:
        """kind -> outcome -> number."""
        counted: dict[str, Counter[str]] = {}
        for line in self.lines:
            counted.setdefault(line.kind, Counter())[str(line.outcome)] += 1
        return {kind: dict(outcomes) for kind, outcomes in counted.items()}

    def as_json(self) -> dict[str, Any]:
        things = [{**asdict(line), "outcome": str(line.outcome), "notes": list(line.notes)} for line in self.lines]
        return {"dry_run": self.dry_run, "counts": self.counts(), "things": things}

    def summary(self) -> str:
        """One line of text."""
        parts = [
            f"{kind}s: " + ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
            for kind, outcomes in self.counts().items()
        ]
        head = "Dry run: nothing was written. " if self.dry_run else ""
        return head + ("; ".join(parts) or "There is nothing to import.")
