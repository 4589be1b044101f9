"""Texts that end up in files of nodes: which are accepted, and in which form they are used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jeroboam.driver import texts


@pytest.mark.parametrize(
    ("check", "value", "used"),
    [
        (texts.proxy, "http://u:p@[::1]:80/", "http://u:p@[::1]:80/"),
        (texts.proxy, "https://proxy_1.example.org", "https://proxy_1.example.org"),
        (texts.url, "https://a.org/b%20c/", "https://a.org/b%20c"),
        (texts.registry, "https://a.org:5000/", "a.org:5000"),
        (texts.registry, "10.0.0.1", "10.0.0.1"),
        (texts.image_prefix, "a.org:1/c_d", "a.org:1/c_d/"),
        (texts.domain, "a" * 63 + ".b", "a" * 63 + ".b"),
        (texts.no_proxy, "localhost, *.a.org,[::1]:80,", "localhost, *.a.org,[::1]:80,"),
        (texts.printable, "two words", "two words"),
    ],
)
def test_accepted(check: Callable[[str], str], value: str, used: str) -> None:
    assert check(value) == used


@pytest.mark.parametrize(
    ("check", "value"),
    [
        *((texts.proxy, value) for value in ("", "a.org:1", "http://", "http://a:0", "http://a:1#x", "http://a/b?c")),
        *((texts.proxy, f"http://a.org{end}") for end in ("\n", "\t", '"', "\\", " ", "\u00e9", "{}")),
        *((texts.url, value) for value in ("ftp://a.org", "https://-a.org", "https://a.org/'", "https://a.org:x/")),
        *((texts.registry, value) for value in ("..", "a/b", "a:65536", "a:", "http://http://a", "a.org\n", "[::1]:5")),
        *((texts.image_prefix, value) for value in ("", "/", "http://a/", "A.org/", "a/B", "a/../b", "a.org\n")),
        *((texts.domain, value) for value in ("", ".", "a.", "A", "a_b", "a\n", "x" * 64)),
        *((texts.no_proxy, value) for value in ("a b", "a,\n", 'a"', "x" * 254)),
        *((texts.printable, value) for value in ("a\nb", "a\x00", "x" * 256)),
    ],
)
def test_refused(check: Callable[[str], str], value: str) -> None:
    with pytest.raises(ValueError, match="must be "):
        check(value)
