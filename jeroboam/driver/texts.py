"""Checks of texts that end up in files and commands of nodes: URLs, hosts, registries, DNS names.

Rule: each function returns the text in the form that is used, or raises ValueError with a sentence that says what
would be right. Only characters that need no quoting in any of the files are accepted.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

LONGEST_DOMAIN = 253  # RFC 1123
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL})*"
# RFC 3986; everything else has to be percent-encoded.
URL_PUNCTUATION = "-._~:/?#[]@!$&'()*+,;=%"
_URL = re.compile(rf"[A-Za-z0-9{re.escape(URL_PUNCTUATION)}]+")
_DIRECT = re.compile(r"[A-Za-z0-9._*:/\[\]-]+")
_PATH = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*")


def proxy(value: str) -> str:
    """The URL of an HTTP proxy."""
    wrong = "must be a URL such as http://proxy.example.org:3128, with other characters percent-encoded"
    parts = _http(value, wrong)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(wrong)
    return value


def url(value: str) -> str:
    """The URL of a file or a directory, without a slash at its end."""
    wrong = "must be a URL such as https://mirror.example.org/path"
    _http(value, wrong)
    if "'" in value:  # ends a quoted text where the URL is written into a command
        raise ValueError(wrong)
    return value.rstrip("/")


def no_proxy(value: str) -> str:
    """What is reached without a proxy."""
    parts = [part.strip(" ") for part in value.split(",")]
    if not all(is_direct(part) for part in parts if part):
        raise ValueError(
            "must be host names, domains, addresses and networks separated by commas, such as .a.org,10.0.0.1"
        )
    return value


def is_direct(part: str) -> bool:
    """Whether the text can be one entry of `no_proxy`."""
    return len(part) <= LONGEST_DOMAIN and _DIRECT.fullmatch(part) is not None


def registry(value: str) -> str:
    """A registry's host and port; a scheme before it and a slash after it are accepted and left out."""
    host = re.sub(r"\Ahttps?://", "", value).removesuffix("/")
    if not _is_host_and_port(host):
        raise ValueError("must be a registry's host name or IPv4 address and port, such as registry.example.org:5000")
    return host


def image_prefix(value: str) -> str:
    """What comes before the name of a container image, with a slash at its end."""
    text = value.removesuffix("/")
    host, *path = text.split("/")
    if host != host.lower() or not _is_host_and_port(host) or len(text) > LONGEST_DOMAIN - 64:
        path = [""]
    if not all(_PATH.fullmatch(part) for part in path):
        raise ValueError(
            "must be a registry prefix such as registry.example.org/mirror/: host, port and path "
            "in lower case, no scheme"
        )
    return f"{text}/"


def domain(value: str) -> str:
    """A DNS name in lower case."""
    if len(value) > LONGEST_DOMAIN or value != value.lower() or not re.fullmatch(_HOST, value):
        raise ValueError(
            f"must be a DNS name in lower case such as cluster.local: at most {LONGEST_DOMAIN} characters, each part "
            "at most 63 letters, digits and '-', with a letter or digit at both ends"
        )
    return value


def printable(value: str, longest: int = 255) -> str:
    """A name of something in the cloud."""
    if not value.isprintable() or len(value) > longest:
        raise ValueError(f"must be at most {longest} printable characters")
    return value


def _http(value: str, wrong: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(wrong) from None
    # Resolvers accept host names with '_', though RFC 1123 does not.
    if parts.scheme not in ("http", "https") or port == 0 or not _URL.fullmatch(value):
        raise ValueError(wrong)
    if not _is_host(host.replace("_", "x")):
        raise ValueError(wrong)
    return parts


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return bool(ipaddress.IPv6Address(host))
        except ValueError:
            return False
    return len(host) <= LONGEST_DOMAIN and re.fullmatch(_HOST, host) is not None


def _is_host_and_port(text: str) -> bool:
    host, colon, port = text.partition(":")
    if colon and not (re.fullmatch(r"[1-9][0-9]{0,4}", port) and int(port) <= 65535):
        return False
    return ":" not in host and _is_host(host)
