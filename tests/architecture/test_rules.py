"""House rules that a linter of others does not know."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = [path for room in ("services", "shared", "sandbox", "cli") for path in sorted((ROOT / room).rglob("*.py"))]
MOST_LINES = 400


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_import_rules() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(linter), "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", PRODUCT, ids=named)
def test_a_module_opens_with_the_rule_it_keeps(path: Path) -> None:
    source = path.read_text()
    if path.name == "__init__.py" and not source.strip():
        return
    assert ast.get_docstring(ast.parse(source)), f"{named(path)} has no docstring"


@pytest.mark.parametrize("path", PRODUCT, ids=named)
def test_a_file_stays_readable(path: Path) -> None:
    if "migrations" not in path.parts:
        assert len(path.read_text().splitlines()) <= MOST_LINES


def test_nothing_is_promised_and_not_kept() -> None:
    words = ("TODO", "FIXME", "NotImplementedError", "XXX")
    found = [f"{named(path)}: {word}" for path in PRODUCT for word in words if word in path.read_text()]
    assert found == []


def test_only_the_relay_publishes() -> None:
    """The outbox is worth nothing if anybody publishes beside it."""
    callers = {
        named(path)
        for path in PRODUCT
        if "bus" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "publish"
    }
    assert callers == {"shared/events/relay.py"}


def test_aio_pikas_own_settling_is_not_used() -> None:
    """`message.process()` dead-letters a message whose handler is cancelled."""
    assert ".process(" not in (ROOT / "shared/bus/rabbit.py").read_text().replace("`message.process()`", "")
