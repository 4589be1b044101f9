"""Labels for infrastructure, which have the same meaning for all engines.

Rule: labels are text. A known label is parsed and checked; an unknown one is stored and shown but has no effect, as in
Magnum. Every problem names its label. An engine's model of labels inherits from this one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from jeroboam.driver.label_specs import LabelSpec, described, specs_of
from jeroboam.driver.label_types import (
    AffinityPolicy,
    Algorithm,
    Cidr,
    Cidrs,
    Name,
    Number,
    Provider,
    UpgradeStrategy,
    Zones,
)
from jeroboam.driver.values import ClusterSpec, NodegroupSpec

# Labels that are read only when a machine is created.
MACHINE_LABELS = frozenset({"availability_zone", "boot_volume_size", "boot_volume_type", "docker_volume_type"})
# Read when an upgrade is requested. A cluster and its nodegroups may have different ones, and it may change.
UPGRADE_STRATEGY = "upgrade_strategy"

L = TypeVar("L", bound="InfrastructureLabels")
OVN = "ovn"
SOURCE_IP_PORT = "SOURCE_IP_PORT"


class InfrastructureLabels(BaseModel):
    """The labels of a cluster for its network and machines. Sizes in GiB."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)
    # Labels that a nodegroup may have otherwise than its cluster; all others are the whole cluster's.
    of_machines: ClassVar[frozenset[str]] = MACHINE_LABELS

    fixed_subnet_cidr: Cidr = described("10.0.0.0/20", "node network, if Jeroboam creates it")
    octavia_provider: Provider | None = described(
        None, "provider of load balancers, of the API and of services", shown="the cloud's"
    )
    octavia_lb_algorithm: Algorithm | None = described(
        None, "algorithm of load balancers", shown="`ROUND_ROBIN`; with provider `ovn` `SOURCE_IP_PORT`, its only one"
    )
    octavia_lb_healthcheck: bool = described(True, "whether load balancers check their members")
    master_lb_floating_ip_enabled: bool | None = described(
        None, "whether the API gets a floating IP", shown="same as `floating_ip_enabled`"
    )
    master_lb_allowed_cidrs: Cidrs = described(
        "0.0.0.0/0",
        "IPv4 networks that may reach the API, separated by commas; the nodes' and the "
        "pods' networks are added to the load balancer's list",
    )
    availability_zones: Zones = described(
        "", "several, separated by commas, are used in turn", shown="the cloud's", alias="availability_zone"
    )
    nodes_affinity_policy: AffinityPolicy = described("soft-anti-affinity", "policy of the masters' server group")
    boot_volume_size: Number = described(0, "boot from a volume of this size, GiB", shown="0 (none)", ge=0)
    boot_volume_type: Name | None = described(None, "type of the volume to boot from", shown="the cloud's")
    docker_volume_type: Name | None = described(
        None, "type of the volume for images (`docker_volume_size`)", shown="the cloud's"
    )
    upgrade_strategy: UpgradeStrategy = described(
        "auto",
        "which machines an upgrade replaces: `auto` those of another image than the template's, if it is possible, "
        "`workers` of these only workers, `in_place` none, `replace` also those of another version",
    )
    api_floating_ip: bool = True  # not a label: resolved from master_lb_floating_ip_enabled

    @classmethod
    def read(cls, cluster: ClusterSpec, nodegroup: NodegroupSpec | None = None) -> Self:
        """The labels of a cluster, or of one of its nodegroups.

        Raises:
            pydantic.ValidationError: a label is invalid (`problems` returns sentences instead).
        """
        # An empty label counts as not set: Magnum's clients and templates send them.
        given = {**cluster.labels, **(nodegroup.labels if nodegroup else {})}
        stripped = {name: str(value).strip() for name, value in given.items() if name != "api_floating_ip"}
        values = cls.given(cluster, {name: value for name, value in stripped.items() if value})
        known = cls.names() | cls.model_fields.keys()
        try:
            chosen = frozenset((name, value) for name, value in values.items() if name in known)
            parsed: Self = _parsed(cls, chosen, cluster.floating_ip_enabled)
            return parsed
        except TypeError:  # a subclass adds a value that is not hashable
            return _parse(cls, values, cluster.floating_ip_enabled)

    @classmethod
    def given(cls, cluster: ClusterSpec, labels: Mapping[str, str]) -> dict[str, Any]:
        """The values to parse, from the labels that are set; a subclass can add values of other attributes."""
        return dict(labels)

    @classmethod
    def problems(cls, cluster: ClusterSpec, nodegroup: NodegroupSpec | None = None) -> list[str]:
        """Problems with the labels, as sentences that name the label."""
        try:
            parsed = cls.read(cluster, nodegroup)
        except ValidationError as error:
            return [f"label {'.'.join(map(str, line['loc']))}: {_text(line['msg'])}" for line in error.errors()]
        if (parsed.load_balancer_algorithm == SOURCE_IP_PORT) is not (parsed.octavia_provider == OVN):
            return [
                f"label octavia_lb_algorithm: {parsed.load_balancer_algorithm} is not what octavia_provider "
                f"{parsed.octavia_provider or '(unset)'} has; {SOURCE_IP_PORT} is the algorithm of {OVN}, its only one"
            ]
        return []

    @classmethod
    def contradictions(cls, cluster: ClusterSpec, nodegroup: NodegroupSpec) -> list[str]:
        """Labels of a nodegroup that differ from the cluster's, and may not; both can be read without problems."""
        whole, own = cls.read(cluster), cls.read(cluster, nodegroup)
        return [
            f"label {name}: {getattr(own, name)} differs from the cluster's {getattr(whole, name)}, which applies to "
            "all of its nodegroups; leave it out"
            for name, field in cls.model_fields.items()
            if name not in ("api_floating_ip", UPGRADE_STRATEGY)
            and (field.alias or name) not in cls.of_machines
            and getattr(own, name) != getattr(whole, name)
        ]

    @classmethod
    @cache
    def names(cls) -> frozenset[str]:
        """The names of all labels that the model reads."""
        return frozenset({field.alias or name for name, field in cls.model_fields.items()})

    @classmethod
    def specs(cls) -> list[LabelSpec]:
        """The labels that have a description, in order."""
        return specs_of(cls, cls.of_machines)

    @classmethod
    def fixed_changes(
        cls,
        old: Mapping[str, str],
        new: Mapping[str, str],
        *,
        version: str | None = None,
        free: Collection[str] | None = None,
        known: Collection[str] = (),
    ) -> list[str]:
        """Why labels of an existing cluster cannot be changed from `old` to `new`; each problem names its label.

        Args:
            version: the label that an upgrade changes.
            free: labels that only later machines read, and that can be changed; by default MACHINE_LABELS.
            known: further names of labels, besides those of the model.
        """
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        fixed = (cls.names() | set(known)) - set(MACHINE_LABELS if free is None else free) - {UPGRADE_STRATEGY}
        upgraded = "the version can be changed only by an upgrade (actions/upgrade)."
        never = "it cannot be changed after the cluster was created."
        return [f"label {name}: {upgraded if name == version else never}" for name in changed if name in fixed]

    @property
    def load_balancer_algorithm(self) -> str:
        """The algorithm of load balancers: the given one, or the provider's usual one."""
        return self.octavia_lb_algorithm or (SOURCE_IP_PORT if self.octavia_provider == OVN else "ROUND_ROBIN")

    @property
    def api_allowed_cidrs(self) -> list[str]:
        return _listed(self.master_lb_allowed_cidrs)

    @property
    def zones(self) -> list[str]:
        return _listed(self.availability_zones)

    def availability_zone(self, index: int) -> str | None:
        """Round-robin over a comma-separated list: node `index` of a nodegroup."""
        return self.zones[zone_number(index, len(self.zones))] if self.zones else None

    def boot_volume(self, image_id: str) -> dict[str, Any] | None:
        """Nova's block device mapping for a node that boots from a volume, or None."""
        if not self.boot_volume_size:
            return None
        mapping: dict[str, Any] = {
            "boot_index": 0,
            "image": image_id,
            "volume_size": self.boot_volume_size,
            "delete_on_termination": True,
        }
        return mapping | ({"volume_type": self.boot_volume_type} if self.boot_volume_type else {})


def _parse(model: type[L], values: Mapping[str, Any], floating_ips: bool) -> L:
    parsed = model.model_validate(values)
    wanted = parsed.master_lb_floating_ip_enabled
    return parsed.model_copy(update={"api_floating_ip": floating_ips if wanted is None else wanted})


@lru_cache(maxsize=64)
def _parsed(model: type[L], values: frozenset[tuple[str, Any]], floating_ips: bool) -> L:
    """One request reads the same labels many times; the result cannot change, because models are frozen."""
    return _parse(model, dict(values), floating_ips)


def zone_number(index: int, zones: int) -> int:
    """Which of the zones in a nodegroup's list node `index` has; 0 if there are none."""
    return index % zones if zones else 0


def boots_from_volume(*labels: Mapping[str, str]) -> bool:
    """Whether nodes with these labels, the most specific first, boot from a volume."""
    text = next((each["boot_volume_size"] for each in labels if "boot_volume_size" in each), "").strip()
    return bool(text.strip("0"))


def asks_for_api_floating_ip(labels: Mapping[str, str]) -> bool:
    """Whether the labels ask for a floating IP of the API, whatever `floating_ip_enabled` is."""
    return str(labels.get("master_lb_floating_ip_enabled", "")).strip().lower() in ("true", "1", "yes", "on", "t", "y")


def node_network(cluster: ClusterSpec, labels: InfrastructureLabels) -> str:
    """The IPv4 network of the nodes: that of the given subnet, or the one that will be created."""
    return cluster.fixed_subnet_cidr or labels.fixed_subnet_cidr


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _text(message: str) -> str:
    return message.removeprefix("Value error, ")


def unique(problems: Iterable[str]) -> list[str]:
    """The problems without duplicates, in order."""
    return list(dict.fromkeys(problems))
