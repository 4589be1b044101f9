"""Types of labels that are specific to Kubernetes."""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import Annotated

from pydantic import AfterValidator

from jeroboam.driver.label_types import cidr

OLDEST_MINOR = 31  # the first version whose kubeadm supports v1beta4


def _version(value: str) -> str:
    match = re.fullmatch(r"v1\.([0-9]{1,3})\.[0-9]{1,3}", value)
    if match is None or int(match[1]) < OLDEST_MINOR:
        raise ValueError(f"must be a Kubernetes version of at least v1.{OLDEST_MINOR}.0, such as v1.34.2")
    return value


def _service_range(value: str) -> str:
    network = ipaddress.IPv4Network(cidr(value))
    # Kubernetes supports at most 20 bits for services, and the DNS service uses the tenth address.
    if not 12 <= network.prefixlen <= 28:
        raise ValueError("must be between a /12 and a /28")
    return str(network)


def _options(value: str) -> str:
    parse_options(value)
    return value


def parse_options(text: str) -> list[tuple[str, str]]:
    """Parse command line options such as `--v=2 --profiling` into (name, value) pairs, in order.

    Raises:
        ValueError: the text does not consist of options.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"must be options such as --v=2: {error}") from None
    pairs = []
    for word in words:
        match = re.fullmatch(r"--([a-z0-9][a-z0-9.-]*)(?:=(.*))?", word, re.DOTALL)
        if match is None:
            raise ValueError(f"must be options such as --v=2, not {word[:40]!r}")
        pairs.append((match[1], "true" if match[2] is None else match[2]))
    return pairs


Version = Annotated[str, AfterValidator(_version)]
ServiceRange = Annotated[str, AfterValidator(_service_range)]
Options = Annotated[str, AfterValidator(_options)]
