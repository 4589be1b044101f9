"""Checks the labels of a template by the rules of its engine.

Rule: a template can be completed by the attributes and labels of a cluster, so only what it sets itself is judged, and
nothing that depends on the cluster's network or size. A cluster's labels are checked again when it is created.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jeroboam.driver import ClusterSpec
from services.api.wire.errors import bad_request
from shared.drivers import checks
from shared.drivers.registry import find_engine

# The nodes' network is not known; no network for machines overlaps this one (RFC 5737).
_SOME_NETWORK = "198.51.100.0/24"


def check_labels(values: Mapping[str, Any]) -> None:
    """Reject labels that no cluster of the template could have.

    Raises:
        ApiError: 400, naming every label that is wrong.
    """
    labels: Mapping[str, str] = values["labels"] or {}
    engine = find_engine(values["coe"])
    if engine is None or not labels:
        return
    spec = ClusterSpec(
        uuid="",
        name="",
        project_id="",
        coe=values["coe"],
        os_distro=values["cluster_distro"] or "",
        server_type=values["server_type"],
        labels=labels,
        # It may be found when a cluster is created.
        external_network_id=values["external_network_id"] or "any",
        fixed_subnet_cidr=None if labels.get("fixed_subnet_cidr") else _SOME_NETWORK,
        network_driver=values["network_driver"],
        volume_driver=values["volume_driver"],
        apiserver_port=values["apiserver_port"],
        floating_ip_enabled=values["floating_ip_enabled"],
        master_lb_enabled=values["master_lb_enabled"],
        load_balancer=True,
        insecure_registry=values["insecure_registry"],
    )
    wrong = [text for text in checks.problems(engine, spec, []) if _label_of(text) in labels]
    if wrong:
        raise bad_request(" ".join(f"{text}." for text in wrong))


def _label_of(problem: str) -> str | None:
    """The label that a problem begins with."""
    found = re.match(r"(?:label )?([a-z0-9_]+)\b", problem)
    return found[1] if found else None
