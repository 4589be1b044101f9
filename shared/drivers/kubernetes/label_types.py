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


def _runtime_version(value: str) -> str:
    if not re.fullmatch(r"v?[0-9]{1,3}(\.[0-9]{1,4}){0,2}", value):
        raise ValueError("must be the lowest version of containerd to use, such as 2.0 or 1.7.24")
    return value.removeprefix("v")


def _service_range(value: str) -> str:
    network = ipaddress.IPv4Network(cidr(value))
    # Kubernetes supports at most 20 bits for services, and the DNS service uses the tenth address.
    if not 12 <= network.prefixlen <= 28:
        raise ValueError("must be between a /12 and a /28")
    return str(network)


def _options(value: str) -> str:
    parse_options(value)
    return value


def _kubelet_options(value: str) -> str:
    # kubeadm writes them into a file of systemd's, whose quoting it does not know.
    for name, given in parse_options(value):
        if re.search(r"[\s'\"\\\\$`]", given):
            raise ValueError(f"the value of --{name} must be without white space, quotes, '$' and backslashes")
    return value


def parse_options(text: str) -> list[tuple[str, str]]:
    """Parse command line options such as `--v=2 --profiling --max-pods 50` into (name, value) pairs, in order.

    Raises:
        ValueError: the text does not consist of options.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"must be options such as --v=2: {error}") from None
    pairs: list[tuple[str, str | None]] = []
    for word in words:
        match = re.fullmatch(r"--([a-z0-9][a-z0-9.-]*)(?:=(.*))?", word, re.DOTALL)
        if match is not None:
            pairs.append((match[1], match[2]))
        elif pairs and pairs[-1][1] is None and not re.match(r"-\D|-\Z", word):
            pairs[-1] = (pairs[-1][0], word)
        else:
            raise ValueError(f"must be options such as --v=2 or --v 2, not {word[:40]!r}")
    return [(name, "true" if value is None else value) for name, value in pairs]


def _class_name(value: str) -> str:
    if len(value) > 253 or not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", value):
        raise ValueError("must be the name of a storage class, such as cinder")
    return value


Version = Annotated[str, AfterValidator(_version)]
ClassName = Annotated[str, AfterValidator(_class_name)]
RuntimeVersion = Annotated[str, AfterValidator(_runtime_version)]
ServiceRange = Annotated[str, AfterValidator(_service_range)]
Options = Annotated[str, AfterValidator(_options)]
KubeletOptions = Annotated[str, AfterValidator(_kubelet_options)]
