"""Emits an event for each quota of the cloud that a request exceeds.

Rule: the events are stored although the request is rejected, so that operators can monitor quotas.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.api.deps import Deps
from shared.cloud.types import QuotaLine
from shared.events.catalog import QuotaExceeded
from shared.events.log import emit


async def note_exceeded_quotas(
    deps: Deps, project_id: str, needed: Mapping[str, int], quotas: Mapping[str, QuotaLine]
) -> None:
    """Emit `quota.exceeded` for each of `quotas` that is smaller than needed."""
    short = {name: number for name, number in needed.items() if name in quotas and quotas[name].short_of(number)}
    if not short:
        return
    async with deps.db.transaction() as session:
        for name, number in short.items():
            data = QuotaExceeded(resource=name, limit=quotas[name].limit, wanted=quotas[name].taken + number)
            await emit(session, "quota.exceeded.v1", data, project_id=project_id)
