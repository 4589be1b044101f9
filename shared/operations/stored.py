"""What is stored as JSON with an operation, read and written by models instead of by keys.

Rule: a row may have been written by the version before or the version after, so unknown keys are ignored and what the
version before did not write has a default. A renamed field or a renamed step needs a migration;
`tests/unit/operations/test_stored_names.py` holds every stored name.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from shared.domain.kinds import OperationKind


class Stored(BaseModel):
    """Base of everything stored as JSON with an operation."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def dump(self) -> dict[str, Any]:
        """As JSON values; without the fields that were not given."""
        return self.model_dump(mode="json", exclude_unset=True)

    @classmethod
    def load(cls, values: Any) -> Self:
        """From what a row holds.

        Raises:
            pydantic.ValidationError: a field is missing that every version wrote, or has another type.
        """
        return cls.model_validate(values)


class Wish(Stored):
    """What a resize is to reach: `counts` by nodegroup uuid, and uuids of nodes to remove in any case."""

    counts: dict[str, int]
    remove: tuple[str, ...] = ()

    def joined_by(self, later: Wish) -> Wish:
        """Both as one; the later count of a nodegroup is the one that holds."""
        return Wish(counts={**self.counts, **later.counts}, remove=tuple(sorted({*self.remove, *later.remove})))


class FollowUp(Stored):
    """An operation that was accepted while another one was live (`operations.follow_up`).

    `uuid` was in the answer to the request, whose trace is `trace`; `timeout` is in seconds, None for no deadline;
    `params` are those of its kind; `wish` is written when it begins; `nodegroup_ids` are those of an operation on
    nodegroups. `rest` are those that wait for the end of this one (`shared/operations/queue.py`).
    """

    kind: OperationKind
    uuid: str
    user_id: str
    request_id: str | None = None
    trace: str | None = None
    timeout: float | None = None
    params: dict[str, Any] = {}
    wish: Wish | None = None
    nodegroup_ids: tuple[str, ...] = ()
    rest: tuple[dict[str, Any], ...] = ()
