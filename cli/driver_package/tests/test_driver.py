"""What this package's drivers decide. What every driver has to do is checked by Jeroboam's contract suite."""

from __future__ import annotations

from jeroboam.testing.cases import make_case
from shared.drivers.registry import installed_drivers


def test_an_upgrade_goes_forward() -> None:
    driver = next(driver for driver in installed_drivers() if driver.name == "example-ubuntu")
    case = make_case(driver).with_labels(example_version="1.9")
    assert case.engine.upgrade_problems(case.cluster, {"example_version": "1.10"}) == []
    (problem,) = case.engine.upgrade_problems(case.cluster, {"example_version": "1.8"})
    assert problem.startswith("label example_version:")
