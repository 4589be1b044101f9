"""Fields of request bodies: coercion and limits, with Magnum's messages.

Rule: one table of fields per resource defines parsing, patching and the OpenAPI document. Coercions are Magnum's ("2"
is 2, "yes" is true, labels become strings); null means "not given". Values that Postgres cannot store (NUL, lone
surrogates, numbers beyond 32 bits) are rejected here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.api.wire.errors import ApiError, bad_request, invalid_field
from shared.limit_settings import LimitSettings

Json = dict[str, Any]
Parser = Callable[[str, Any], Any]
MAX_INT = 2**31 - 1

_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "off", "n", "no"})
BOOLEAN_WORDS = tuple(sorted(_TRUE | _FALSE))


class Misread(ApiError):
    """A value of the wrong type; in a body, Magnum then shows the whole argument instead of the field."""

    def __init__(self, name: str, value: Any, why: str) -> None:
        super().__init__(400, invalid_field(name, value, why).detail)
        self.why = why


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute of a body.

    Args:
        name: name in the JSON.
        parse: (name, value) -> value; raises a 400.
        schema: its JSON Schema, for the OpenAPI document.
        mandatory: 400 if it is missing or null.
        read_only: 400 if it is given.
        ignored: the value is validated but has no effect.
    """

    name: str
    parse: Parser
    schema: Json = field(default_factory=dict)
    mandatory: bool = False
    read_only: bool = False
    ignored: bool = False


def parse_body(body: Json, fields: Sequence[Field], argument: str) -> Json:
    """Parse the given attributes. Attributes that are missing or null are missing from the result.

    Args:
        argument: Magnum's name of the body's argument, for its error message.
    """
    known = {each.name: each for each in fields}
    for name in body:
        if name not in known:
            raise bad_request(f"Unknown attribute for argument {argument}: {name[:100]}")
    parsed: Json = {}
    for each in fields:
        value = body.get(each.name)
        if each.read_only and each.name in body:
            raise invalid_field(each.name, value, "Cannot set read only field.")
        if value is None:
            if each.mandatory:
                raise invalid_field(each.name, None, "Mandatory field missing.")
            continue
        try:
            read = each.parse(each.name, value)
        except Misread as error:
            raise invalid_field(argument, body, error.why) from None
        if not each.ignored:
            parsed[each.name] = read
    return parsed


def storable(value: str) -> bool:
    """Whether Postgres can store the text: no NUL, no lone surrogate."""
    return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def string(*, shortest: int = 1, longest: int = 255, pattern: str | None = None) -> Parser:
    """A string of limited length."""
    compiled = re.compile(pattern) if pattern else None

    def parse(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise invalid_field(name, value, "Value should be string")
        text = value
        if not storable(text):
            raise invalid_field(name, ascii(text), "Value contains characters that cannot be stored")
        if len(text) < shortest:
            raise invalid_field(name, text, f"Value should have a minimum character requirement of {shortest}")
        if len(text) > longest:
            raise invalid_field(name, text, f"Value should have a maximum character requirement of {longest}")
        if compiled is not None and not compiled.fullmatch(text):
            raise invalid_field(name, text, f"Value should match the pattern {pattern}")
        return text

    return parse


def checked(check: Callable[[str], object], parser: Parser) -> Parser:
    """What `parser` reads, if `check` accepts it; the ValueError it raises says what would be right."""

    def parse(name: str, value: Any) -> Any:
        text = parser(name, value)
        try:
            check(text)
        except ValueError as error:
            raise invalid_field(name, text, f"Value {error}") from None
        return text

    return parse


def integer(*, lowest: int = 0, highest: int = MAX_INT) -> Parser:
    """An integer; "2" and 2.7 are 2, as in Magnum."""

    def parse(name: str, value: Any) -> int:
        try:
            if not isinstance(value, str | int | float) or (isinstance(value, str) and len(value) > 20):
                raise OverflowError
            number = int(value)
        except OverflowError:
            raise invalid_field(name, value, "Value should be an integer") from None
        except ValueError as error:
            raise Misread(name, value, str(error)) from None
        if number < lowest:
            raise invalid_field(name, value, f"Value should be greater or equal to {lowest}")
        if number > highest:
            raise invalid_field(name, value, f"Value should be lower or equal to {highest}")
        return number

    return parse


def boolean(_name: str, value: Any) -> bool:
    """True, False, 0, 1 and their usual spellings."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    accepted = ", ".join(f"'{each}'" for each in BOOLEAN_WORDS)
    raise bad_request(f"Unrecognized value '{str(value)[:100]}', acceptable values are: {accepted}")


def one_of(*choices: str) -> Parser:
    def parse(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise invalid_field(name, value, f"Value should be one of: {', '.join(choices)}")
        return value

    return parse


def labels(name: str, value: Any) -> dict[str, str]:
    """A flat mapping; values are converted to strings."""
    if not isinstance(value, Mapping):
        raise Misread(name, value, f"Value not a valid dict: {str(value)[:100]}")
    parsed: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, bool | int | float | str):
            text = str(item)
            if storable(text) and storable(str(key)) and len(str(key)) <= 255:
                parsed[str(key)] = text
                continue
        expected = "(<class 'str'>, <class 'int'>, <class 'bool'>, <class 'float'>)"
        raise invalid_field(name, {key: item}, f"Wrong type. Expected '{expected}', got '{type(item)}'")
    return parsed


def check_labels_fit(limits: LimitSettings, labels: Mapping[str, str], name: str = "labels") -> None:
    """Check the number and the size of all labels of a resource, after they were merged.

    Raises:
        ApiError: 400, naming the attribute and the limit.
    """
    if len(labels) > limits.labels:
        most = f"Value should have at most {limits.labels} members (limits.labels)"
        raise invalid_field(name, f"{len(labels)} members", most)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in labels.items())
    if size > limits.labels_bytes:
        most = f"Value should have at most {limits.labels_bytes} bytes (limits.labels_bytes)"
        raise invalid_field(name, f"{size} bytes", most)


def strings(name: str, value: Any) -> list[str]:
    """A list of strings."""
    if not isinstance(value, list):
        raise Misread(name, value, f"Value not a valid list: {str(value)[:100]}")
    for item in value:
        if not isinstance(item, str):
            raise invalid_field(name, value, f"Wrong type. Expected '<class 'str'>', got '{type(item)}'")
    parse = string(shortest=0, longest=1024)
    return [parse(name, item) for item in value]


def strings_or_null(name: str, value: Any) -> list[str]:
    """A list of strings; nulls in it are ignored."""
    return strings(name, [item for item in value if item is not None] if isinstance(value, list) else value)


def anything(_name: str, value: Any) -> Any:
    """For fields that are never stored."""
    return value
