"""An inventory needs many lists; each of them is asked for again by itself while the cloud fails now and then."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shared.cloud import leftovers
from shared.cloud.sdk import READ_ATTEMPTS, OpenStackCloud
from shared.cloud.types import InventoryItem
from shared.domain.errors import PermanentError, TemporaryError

CLUSTER = "0195f3a8-0000-7000-8000-000000000001"


class Flaky:
    """Runs calls, of which some fail."""

    def __init__(self, failing: float, error: Exception) -> None:
        self._random = random.Random(1)
        self._failing, self._error = failing, error
        self.asked: dict[str, int] = {}

    async def run(self, doing: str, _function: Any) -> Any:
        self.asked[doing] = self.asked.get(doing, 0) + 1
        if self._random.random() < self._failing:
            raise self._error
        return [InventoryItem(doing, "1", "")]


def cloud(flaky: Flaky) -> OpenStackCloud:
    none: Any = None
    return OpenStackCloud("p1", flaky.run, none, none)


async def test_an_inventory_of_a_cloud_of_which_a_fifth_fails() -> None:
    flaky = Flaky(0.2, TemporaryError("503"))
    for _ in range(20):
        assert len(await cloud(flaky).inventory(cluster_id=CLUSTER)) == len(leftovers.KINDS)
    assert sum(flaky.asked.values()) < 20 * len(leftovers.KINDS) * 1.5, "only what failed is asked for again"


async def test_a_cloud_that_is_away_is_not_asked_for_ever() -> None:
    flaky = Flaky(1.0, TemporaryError("503"))
    with pytest.raises(TemporaryError):
        await cloud(flaky).inventory(cluster_id=CLUSTER)
    assert max(flaky.asked.values()) == READ_ATTEMPTS


async def test_a_refusal_is_final() -> None:
    flaky = Flaky(1.0, PermanentError("403"))
    with pytest.raises(PermanentError):
        await cloud(flaky).inventory(cluster_id=CLUSTER)
    assert max(flaky.asked.values()) == 1
