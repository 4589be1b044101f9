"""Checks a request against the cloud before anything is created.

Rule: `judge` is a pure function of the request and the cloud's responses, and returns all problems at once. Problems
that Magnum also detects have its messages; quota checks are Jeroboam's. `fetch` queries the cloud.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jeroboam.driver import Hardware
from services.api.wire.errors import ApiError
from shared.cloud.types import Flavor, Image, Keypair, Network, QuotaLine, Subnet

_SSH_KEY = re.compile(r"[a-z][a-z0-9@.-]* [A-Za-z0-9+/=]+( .*)?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The cloud resources of a cluster, as names or IDs given by the user. None: not requested."""

    image: str
    flavor: str | None
    master_flavor: str | None
    keypair: str | None
    external_network: str | None
    needs_external_network: bool
    fixed_network: str | None
    fixed_subnet: str | None
    master_count: int
    node_count: int
    boots_from_volume: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The resources found in the cloud. None: not found, or not requested."""

    image: Image | None = None
    flavors: Mapping[str, Flavor | None] = field(default_factory=dict)
    keypair: Keypair | None = None
    external_networks: Sequence[Network] = ()
    external_network: Network | None = None
    fixed_network: Network | None = None
    fixed_subnet: Subnet | None = None
    quotas: Mapping[str, QuotaLine] = field(default_factory=dict)
    load_balancer: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    text: str


def judge(wanted: Wanted, found: Found) -> list[Problem]:
    """All problems with the named resources; `judge_quotas` checks quotas."""
    return [
        *flavor_problems((wanted.flavor, wanted.master_flavor or wanted.flavor), found, wanted.boots_from_volume),
        *image_problems(wanted.image, found),
        *_network_problems(wanted, found),
        *_keypair_problems(wanted, found),
    ]


def flavor_problems(names: Sequence[str | None], found: Found, boots_from_volume: bool) -> list[Problem]:
    """Problems with the flavors of nodes."""
    problems = []
    for name in dict.fromkeys(names):
        flavor = found.flavors.get(name) if name else None
        if flavor is None:
            problems.append(Problem(400, f"Unable to find flavor {name}."))
        elif flavor.disk == 0 and not boots_from_volume and flavor.resource_class is None:
            text = "Flavor with zero root volume size is not supported when boot_volume_size is zero."
            problems.append(Problem(400, text))
    return problems


def hardware_problems(name: str | None, hardware: Hardware, found: Found) -> list[Problem]:
    """A problem if a flavor is of machines, and the hardware of servers on a hypervisor, or the other way round.

    A flavor whose extra specs the caller may not read is not checked.
    """
    flavor = found.flavors.get(name) if name else None
    whole = getattr(hardware, "resource_class", None)
    if flavor is None or flavor.extra_specs is None or whole is None or whole == (flavor.resource_class is not None):
        return []
    given = f"server type {hardware.server_types[0]}"
    if whole:
        text = f"Flavor {name} is one of virtual machines: {given} needs one that asks for a custom resource class."
    else:
        text = f"Flavor {name} is one of bare metal, it asks for {flavor.resource_class}: {given} cannot use it."
    return [Problem(400, text)]


def image_problems(name: str, found: Found) -> list[Problem]:
    """Problems with the image of nodes."""
    if found.image is None:
        return [Problem(400, f"Image {name} could not be found.")]
    if found.image.os_distro is None:
        return [Problem(400, f"Image {name} doesn't contain os_distro field.")]
    if found.image.status.lower() != "active":
        return [Problem(400, f"Image {name} is not active but {found.image.status}.")]
    return []


def _network_problems(wanted: Wanted, found: Found) -> list[Problem]:
    problems = []
    if wanted.external_network is not None and found.external_network is None:
        problems.append(Problem(400, f"Unable to find external network {wanted.external_network}."))
    elif wanted.needs_external_network and found.external_network is None:
        number = len(found.external_networks)
        which = "there is none" if number == 0 else f"there are {number}, name one in the cluster template"
        problems.append(Problem(400, f"An external network is needed: {which}."))
    if wanted.fixed_network is not None and found.fixed_network is None:
        problems.append(Problem(400, f"Unable to find fixed network {wanted.fixed_network}."))
    if wanted.fixed_subnet is not None and found.fixed_subnet is None:
        problems.append(Problem(400, f"Unable to find fixed subnet {wanted.fixed_subnet}."))
    elif found.fixed_subnet is not None and not found.fixed_subnet.is_ipv4:
        problems.append(Problem(400, ipv6_subnet(str(wanted.fixed_subnet))))
    both = found.fixed_network is not None and found.fixed_subnet is not None
    if both and found.fixed_subnet.network_id != found.fixed_network.id:  # type: ignore[union-attr]
        text = f"Fixed subnet {wanted.fixed_subnet} does not belong to fixed network {wanted.fixed_network}."
        problems.append(Problem(400, text))
    elif found.fixed_network is not None and found.fixed_subnet is None and wanted.fixed_subnet is None:
        kind = "IPv4 subnet" if found.fixed_network.subnet_ids else "subnet"
        problems.append(Problem(400, f"Fixed network {wanted.fixed_network} has no {kind}."))
    return problems


def ipv6_subnet(name: str) -> str:
    return f"Fixed subnet {name} is an IPv6 subnet, an IPv4 subnet is needed."


def _keypair_problems(wanted: Wanted, found: Found) -> list[Problem]:
    if wanted.keypair is not None and found.keypair is None:
        return [Problem(404, f"Unable to find keypair {wanted.keypair}.")]
    # Nova also has key pairs of the type x509, whose public half is a certificate.
    if found.keypair is not None and not _SSH_KEY.fullmatch(found.keypair.public_key.strip()):
        return [Problem(400, f"Keypair {wanted.keypair} is not an SSH key of one line, such as 'ssh-ed25519 AAAA...'.")]
    return []


def demand(wanted: Wanted, found: Found, driver_needs: Mapping[str, int]) -> dict[str, int]:
    """How much of each quota the whole cluster needs."""
    groups = ((wanted.master_count, wanted.master_flavor or wanted.flavor), (wanted.node_count, wanted.flavor))
    return demand_of(groups, found, driver_needs)


def demand_of(
    groups: Sequence[tuple[int, str | None]], found: Found, driver_needs: Mapping[str, int]
) -> dict[str, int]:
    """How much of each quota nodes, given as (number, flavor), and the resources of the driver need."""
    total: Counter[str] = Counter(driver_needs)
    for count, name in groups:
        flavor = found.flavors.get(name) if name else None
        total["instances"] += count
        total["port"] += count
        if flavor is not None:
            total["cores"] += count * flavor.vcpus
            total["ram"] += count * flavor.ram
    return {resource: number for resource, number in total.items() if number > 0}


def judge_quotas(needed: Mapping[str, int], quotas: Mapping[str, QuotaLine]) -> list[Problem]:
    """Return a problem for every exceeded quota; quotas that the cloud does not report are not checked."""
    return [
        Problem(403, _exceeded(quotas[resource], number))
        for resource, number in sorted(needed.items())
        if resource in quotas and quotas[resource].short_of(number)
    ]


def _exceeded(line: QuotaLine, number: int) -> str:
    text = f"Quota exceeded for {line.resource}: {number} needed, {line.used} of {line.limit} in use"
    promised = f", {line.promised} needed by requests that were just accepted" if line.promised else ""
    return f"{text}{promised}."


def refusal(problems: Sequence[Problem]) -> ApiError:
    """One error for all problems, with their common status, or 400 if they differ."""
    statuses = {problem.status for problem in problems}
    status = statuses.pop() if len(statuses) == 1 else 400
    text = " ".join(problem.text for problem in problems)
    return ApiError(status, f"Resource limit exceeded: {text}" if status == 403 else text)
