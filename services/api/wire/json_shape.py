"""Checks how deep and how large JSON is before objects are built from it.

Rule: the text is read once, in linear time, and nothing is built that is larger than it. A text that is not JSON may
pass; the parser rejects it.
"""

from __future__ import annotations

import re

from services.api.wire.errors import ApiError, bad_request
from shared.limit_settings import LimitSettings

# One that is not closed reaches to the end of the text, so that no part of the text is searched twice.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def check_shape(text: str, limits: LimitSettings) -> None:
    """Reject a document that is nested too deeply or has too many elements.

    Raises:
        ApiError: 400, naming the limit.
    """
    # An empty text in place of a string leaves what separates the elements.
    structure = _STRING.sub("", text)
    elements = structure.count(",") + structure.count("[") + structure.count("{")
    if elements > limits.json_elements:
        raise _too("many elements", limits.json_elements, "json_elements")
    depth = 0
    for found in _BRACKET.finditer(structure):
        depth += 1 if found[0] in "[{" else -1
        if depth > limits.json_depth:
            raise _too("many levels", limits.json_depth, "json_depth")


def _too(what: str, limit: int, setting: str) -> ApiError:
    return bad_request(f"The JSON of the request has too {what}: at most {limit} are accepted (limits.{setting})")
