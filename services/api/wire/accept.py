"""Parses `Accept`: the quality of a media type.

Rule: as in RFC 9110, the most specific range applies; an invalid header is ignored.
"""

from __future__ import annotations

import re

from starlette.types import Scope

_RANGE = re.compile(r"\s*([\w.+*-]+)/([\w.+*-]+)\s*((?:;[^;,]*)*)\Z")
_QUALITY = re.compile(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|\Z)", re.IGNORECASE)
_ANYTHING = [("*", "*", 1.0)]
_LONGEST = 1000

JSON = "application/json"
PROBLEM = "application/problem+json"


def accept_of(scope: Scope) -> str:
    """The request's `Accept`, or "" if there is none."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), "")


def quality(accept: str, media: str) -> float:
    """Return the quality of a media type, from 0 (not acceptable) to 1.

    Args:
        media: a type without parameters, e.g. `application/json`.
    """
    kind, _, subtype = media.partition("/")
    best = {precision: q for name, sub, q in _ranges(accept) if (precision := _precision(name, sub, kind, subtype))}
    return best[max(best)] if best else 0.0


def takes_json(accept: str) -> bool:
    """Whether the client accepts JSON."""
    return quality(accept, JSON) > 0 or PROBLEM in accept.lower()


def prefers_json(accept: str) -> bool:
    """Whether JSON was requested explicitly and not only by a wildcard, as in Magnum's framework."""
    return quality(accept, JSON) > max(quality(accept, "text/plain"), quality(accept, "text/html"))


def _precision(name: str, sub: str, kind: str, subtype: str) -> int:
    """3 for an exact match, 2 for `type/*`, 1 for `*/*`, 0 if the range does not match."""
    if (name, sub) == (kind, subtype):
        return 3
    if (name, sub) == (kind, "*"):
        return 2
    return 1 if (name, sub) == ("*", "*") else 0


def _ranges(accept: str) -> list[tuple[str, str, float]]:
    found = []
    for part in accept[:_LONGEST].split(","):
        match = _RANGE.match(part)
        if match is None:
            return _ANYTHING
        asked = _QUALITY.search(match[3])
        found.append((match[1].lower(), match[2].lower(), float(asked[1]) if asked else 1.0))
    return found
