"""A Mesos cluster with monitoring, and what its nodes get."""

from __future__ import annotations

from jeroboam.driver import WORKER, Bootstrap
from jeroboam.testing.cases import Case, make_case
from shared.drivers.mesos import engine
from shared.drivers.registry import get_driver

driver = get_driver("mesos", "ubuntu", "vm")
DIRECTORY = "/etc/jeroboam/monitoring/"


def case(workers: int = 2, **labels: str) -> Case:
    given = {"monitoring_enabled": "true", "container_infra_prefix": "registry.example.org/m/", **labels}
    return make_case(driver, "octavia", workers=workers).with_labels(**given).all_joined()


def bootstrap(case: Case, role: str) -> Bootstrap:
    """What the first node of a role gets."""
    found = engine.bootstrap(case.context(next(node for node in case.nodes if node.role == role)))
    assert isinstance(found, Bootstrap), found
    return found


def files(case: Case, role: str) -> dict[str, dict[str, str]]:
    return {str(each["path"]): dict(each) for each in bootstrap(case, role).files}


def texts(case: Case) -> dict[str, str]:
    """What an agent has below the directory of monitoring."""
    found = {path: each["content"] for path, each in files(case, WORKER).items() if path.startswith(DIRECTORY)}
    return {path.removeprefix(DIRECTORY): text for path, text in found.items()}
