"""House rules that a linter of others does not know."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = [path for room in ("services", "shared", "sandbox", "cli") for path in sorted((ROOT / room).rglob("*.py"))]
MOST_LINES = 400


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_module_opens_with_the_rule_it_keeps() -> None:
    """Import rules are not checked here but by `make lint`."""
    sources = {named(path): path.read_text() for path in PRODUCT}
    without = [
        name
        for name, source in sources.items()
        if (source.strip() or not name.endswith("__init__.py")) and not ast.get_docstring(ast.parse(source))
    ]
    assert without == [], "these have no docstring"


def test_files_stay_readable() -> None:
    lengths = {named(path): len(path.read_text().splitlines()) for path in PRODUCT if "migrations" not in path.parts}
    too_long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES}
    assert too_long == {}, f"these have more than {MOST_LINES} lines"


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


def test_only_a_reader_of_the_log_sends_to_openstack() -> None:
    """Beside the simulated services, which send what the real ones do."""
    users = {
        named(path)
        for path in PRODUCT
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "shared.bus.oslo_publisher"
    }
    assert users == {"services/notifier/notices.py", "sandbox/openstack/notifications.py"}


def test_aio_pikas_own_settling_is_not_used() -> None:
    """`message.process()` dead-letters a message whose handler is cancelled."""
    assert ".process(" not in (ROOT / "shared/bus/rabbit.py").read_text().replace("`message.process()`", "")
