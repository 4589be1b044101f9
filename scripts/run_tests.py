"""Runs pytest; a test of real processes that fails is repeated alone, and has to pass every time.

    python -m scripts.run_tests PYTEST-ARGUMENTS...

Rule: tests of whole processes have deadlines, and share two cores with the tests beside them. One that fails may show
a fault that is rare, or that the machine was busy. So it is run `REPEATS` times with nothing beside it: what fails now
and then also fails here. It is reported as unstable even if it passes. Tests that start no process are never repeated,
and neither are more than `MOST` tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROCESSES = (
    "tests/contract/",
    "tests/e2e/",
    "tests/fault/",
    "tests/integration/",
    "tests/property/api/",
    "tests/soak/",
)
REPEATS = 3
MOST = 2
LONGEST_SECONDS = 900
TESTS_FAILED = 1  # pytest's status
_FAILED = Path(".pytest_cache/v/cache/lastfailed")
_PYTEST = (sys.executable, "-m", "pytest")


def failed_tests(cache: Path) -> list[str]:
    """The IDs of the tests that failed in pytest's last run."""
    return list(json.loads(cache.read_text())) if cache.exists() else []


def may_be_repeated(failed: Sequence[str]) -> bool:
    return 0 < len(failed) <= MOST and all(test.startswith(PROCESSES) for test in failed)


def passes_alone(tests: Sequence[str]) -> bool:
    """Whether the tests pass every time."""
    for number in range(REPEATS):
        _say(f"{number + 1} of {REPEATS}, alone: {' '.join(tests)}")
        try:
            done = subprocess.run([*_PYTEST, *tests], timeout=LONGEST_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return False
        if done.returncode != 0:
            return False
    return True


def _say(text: str) -> None:
    sys.stdout.write(f"run_tests: {text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Returns the status for the shell: that of the first run, or 0 if what failed passed every time."""
    status = subprocess.run([*_PYTEST, "--cache-clear", *arguments], check=False).returncode
    failed = failed_tests(_FAILED)
    if status != TESTS_FAILED or not may_be_repeated(failed) or not passes_alone(failed):
        return status
    for test in failed:
        _say(f"UNSTABLE: {test} failed beside other tests and passed alone, {REPEATS} times")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
