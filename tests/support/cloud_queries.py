"""The API's own count of its requests to OpenStack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families


async def cloud_queries(api: Callable[[str, str], Awaitable[httpx.Response]]) -> dict[str, float]:
    """Service -> requests since the process started, as /metrics shows them."""
    shown = (await api("GET", "/metrics")).text
    return {
        sample.labels["service"]: sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
        if sample.name == "jeroboam_cloud_queries_total"
    }
