"""The metrics that processes export."""

from __future__ import annotations

from prometheus_client import REGISTRY

import services.api.middleware.request_scope  # noqa: F401 - it registers metrics
import shared.telemetry.metrics  # noqa: F401

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
_OF_TARGETS = {"job", "instance"}


def labels_of_samples() -> dict[str, set[str]]:
    """Name of each sample -> its labels, with those that Prometheus adds."""
    found: dict[str, set[str]] = {}
    for collector in list(REGISTRY._collector_to_names):
        labels = {*getattr(collector, "_labelnames", ()), *_OF_TARGETS}
        for family in collector.collect():
            for suffix in _SUFFIXES.get(family.type, ("",)):
                found[f"{family.name}{suffix}"] = labels | ({"le"} if suffix == "_bucket" else set())
    return found
