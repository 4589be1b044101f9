"""Which events a webhook receives: patterns of event types, clusters and outcomes.

Rule: these are pure functions. A pattern names types of the catalog, with or without the version; `*` stands for any
part. The fan-out compares in SQL, so a pattern is also stored as patterns of LIKE.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from shared.events.catalog import CATALOG, PREFIX

MAX_PATTERNS = 50
MAX_PATTERN = 128
MAX_CLUSTERS = 100
OUTCOMES = ("requested", "started", "progressed", "completed", "failed", "cancelled")
# About a webhook itself. A delivery of one of these emits no further event, so that webhooks cannot feed each other.
OWN_FAMILY = "webhook."
_PATTERN = re.compile(r"[a-z0-9_.*]+\Z")
_VERSION = re.compile(r"\.v[0-9]+\Z")


def parse_pattern(text: str) -> str:
    """The pattern without the prefix of CloudEvents types.

    Raises:
        ValueError: it is malformed, or no type matches it.
    """
    pattern = text.strip().removeprefix(PREFIX)
    if len(pattern) > MAX_PATTERN or not _PATTERN.match(pattern):
        raise ValueError("should be an event type, in which * stands for any part")
    if not any(matches(pattern, name) for name in CATALOG):
        raise ValueError("should match an event type; GET /v1/event-types lists them")
    return pattern


def matches(pattern: str, name: str) -> bool:
    """Whether the pattern matches a name of the catalog, with or without its version."""
    return fnmatchcase(name, pattern) or fnmatchcase(_VERSION.sub("", name), pattern)


def outcome_of(name: str) -> str:
    """The part of a name before its version, which is an outcome for events of operations."""
    return name.rsplit(".", 2)[-2]


def likes(patterns: Sequence[str]) -> list[str]:
    """The patterns of LIKE that match the same names; `.v%` stands for the version."""
    found = []
    for pattern in patterns:
        like = pattern.replace("_", r"\_").replace("*", "%")
        found += [like, f"{like}.v%"]
    return found
