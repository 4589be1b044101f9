"""The built-in Kubernetes driver, as tests take it."""

from __future__ import annotations

from collections.abc import Mapping

from jeroboam.testing.cases import Case
from shared.drivers import checks
from shared.drivers.kubernetes import engine
from shared.drivers.registry import get_driver

driver = get_driver("kubernetes", "ubuntu", "vm")

__all__ = ["driver", "engine", "needs", "problems"]


def problems(case: Case) -> list[str]:
    """What is wrong with a case, in the words of the request's error."""
    return checks.problems(case.engine, case.cluster, case.groups)


def needs(case: Case) -> Mapping[str, int]:
    """What a case takes from quotas."""
    return checks.needs(case.engine, case.cluster, case.groups)
