"""`make test` repeats what failed only where that can tell something, and reports it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Without the plugins, of which these tests need none, pytest starts in a fraction of the time.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
# Fails in the runs with these numbers, which are counted from 0.
TEST = """
from pathlib import Path

def test_it():
    runs = Path("runs")
    number = len(runs.read_text()) if runs.exists() else 0
    runs.write_text("x" * (number + 1))
    assert number not in {failing}
"""


@pytest.mark.parametrize(
    ("place", "failing", "status", "runs"),
    [
        ("tests/e2e", [], 0, 1),
        ("tests/e2e", [0], 0, 4),
        ("tests/e2e", [0, 2], 1, 3),
        ("tests/unit", [0], 1, 1),
    ],
)
def test_what_fails_is_repeated_alone(tmp_path: Path, place: str, failing: list[int], status: int, runs: int) -> None:
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "test_one.py").write_text(TEST.replace("{failing}", str(failing)))
    done = subprocess.run(
        [sys.executable, "-m", "scripts.run_tests", "-q", "tests"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, len((tmp_path / "runs").read_text())) == (status, runs), done.stdout + done.stderr
    assert ("UNSTABLE: tests/e2e/test_one.py::test_it" in done.stdout) is (runs == 4)


def test_many_failures_are_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "tests/e2e").mkdir(parents=True)
    (tmp_path / "tests/e2e/test_many.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(3))\ndef test_it(n):\n    assert False\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "scripts.run_tests", "-q", "tests"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "alone" not in done.stdout
