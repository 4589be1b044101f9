"""The network resources that an engine needs. Jeroboam renders the Heat templates of all engines from them.

Rule: Jeroboam renders ports, servers, volumes, floating IPs, load balancers, virtual IPs and security groups. An engine
only declares what is specific to it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

INSIDE = "inside"  # the source of a rule: the cluster's own node network
EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class Rule:
    """One ingress rule of a security group.

    Args:
        protocol: `tcp`, `udp`, `icmp`, or an IP protocol number as text.
        source: an IPv4 network, or INSIDE.
        low, high: the port range; `high` defaults to `low`.
    """

    protocol: str
    source: str = INSIDE
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class DataVolume:
    """A Cinder volume that is attached to each node of a role, besides the one for containers.

    Args:
        name: lower-case letters; part of the names of resources. The base stack's output `<name>_volume` is the size.
        label: the label that asks for it.
        size: GiB. A machine tells its volumes apart by their sizes.
        type: Cinder's volume type; None for the cloud's default.
    """

    name: str
    label: str
    size: int
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """What the clusters of an engine need in addition to what every cluster has.

    Every cluster has: a node network (given or created), a security group per role that allows traffic between nodes,
    and SSH if a key was given, a server group for masters, and an endpoint of the masters.

    Args:
        endpoint_ports: TCP ports of the masters that clients reach at the endpoint; the first one is the API's.
        rules: role -> additional ingress rules; one security group is created for each role.
        sticky_clients: whether a load balancer sends all connections of one client address to the same master, because
            a client's calls depend on each other and masters do not share their state.
        address_pairs: networks that nodes may send from in addition to their own address, such as a pod network.
        health_path: the path of the first endpoint port that answers 200 over HTTPS, to anyone, while the master can
            serve requests, e.g. `/readyz`; load balancers query it. None: they only connect.
        volumes: role -> the volumes of each of its nodes.
        without_containers: roles whose nodes store no containers, and so have no volume for them.
    """

    endpoint_ports: Sequence[int]
    rules: Mapping[str, Sequence[Rule]] = field(default_factory=dict)
    address_pairs: Sequence[str] = ()
    sticky_clients: bool = False
    health_path: str | None = None
    volumes: Mapping[str, Sequence[DataVolume]] = field(default_factory=dict)
    without_containers: Collection[str] = ()
