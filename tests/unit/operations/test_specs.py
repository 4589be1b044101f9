"""A cluster keeps the default version of the release that it was created with."""

from __future__ import annotations

from typing import Any

import pytest

from jeroboam.testing.cases import make_case
from shared.db.models import Cluster
from shared.drivers.registry import get_driver
from shared.operations.specs import read_spec, stored, with_defaults, without_defaults

SPEC = make_case(get_driver("kubernetes", "ubuntu", "vm")).cluster
OLD: dict[str, Any] = stored(SPEC, {"kube_tag": "v1.33.9"})


@pytest.mark.parametrize(
    ("labels", "version"),
    [
        ({}, "v1.33.9"),
        ({"kube_tag": ""}, "v1.33.9"),
        ({"kube_tag": " "}, "v1.33.9"),
        ({"kube_tag": "v1.34.0"}, "v1.34.0"),
    ],
)
def test_the_default_of_the_creation_counts(labels: dict[str, str], version: str) -> None:
    assert read_spec(OLD, {"a": "b", **labels}).labels == {"a": "b", "kube_tag": version}


def test_clusters_of_earlier_versions_have_none() -> None:
    values = {name: value for name, value in OLD.items() if name != "default_labels"}
    assert with_defaults(values, {"a": "b"}) == {"a": "b"}


def test_defaults_are_not_shown() -> None:
    row = Cluster(spec=OLD, labels={"a": "b"})
    assert without_defaults(row, {"a": "b", "kube_tag": "v1.33.9"}) == {"a": "b"}
    assert without_defaults(row, {"a": "b", "kube_tag": "v1.34.0"}) == {"a": "b", "kube_tag": "v1.34.0"}
    named = Cluster(spec=OLD, labels={"kube_tag": "v1.33.9"})
    assert without_defaults(named, {"kube_tag": "v1.33.9"}) == {"kube_tag": "v1.33.9"}
