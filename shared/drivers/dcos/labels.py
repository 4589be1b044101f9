"""The labels of DC/OS clusters: types, defaults and checks.

Rule: parameters of DC/OS' config.yaml keep their names, as in Magnum. Labels with the same effect for all engines are
in `jeroboam.driver.labels`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator

from jeroboam.driver import BOOTSTRAP, ClusterSpec, NodegroupSpec
from jeroboam.driver.label_specs import described
from jeroboam.driver.label_types import Domain, Number, Ports, Url
from shared.drivers.hosts.labels import HostLabels

PUBLIC = "public"  # the role of nodegroups of public agents
API_PORT = 443
REDIRECT_PORT = 80
MASTER_COUNTS = (1, 3, 5, 7, 9)
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]{0,254}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _sha256(value: str) -> str:
    if not _SHA256.fullmatch(value.lower()):
        raise ValueError("must be the 64 hexadecimal digits that sha256sum prints")
    return value.lower()


def _image(value: str) -> str:
    if not _IMAGE.fullmatch(value):
        raise ValueError("must be a container image such as registry.example.org/nginx:1.21")
    return value


Sha256 = Annotated[str, AfterValidator(_sha256)]
Image = Annotated[str, AfterValidator(_image)]


class Labels(HostLabels):
    """The labels of a cluster; docs/dcos-driver.md documents them."""

    dcos_generate_config_url: Url | None = described(
        None,
        "URL of your copy of `dcos_generate_config.sh`, from which the cluster is installed; required",
        example="https://mirror.example.org/dcos/2.2.3/dcos_generate_config.sh",
    )
    dcos_generate_config_sha256: Sha256 | None = described(None, "its SHA-256, which is compared before it is run")
    dcos_nginx_image: Image = described("nginx:1.21", "container image with which the bootstrap machine serves files")
    oauth_enabled: bool = described(True, "whether clients must authenticate; if not, everyone has access")
    telemetry_enabled: bool = described(False, "whether the cluster sends telemetry to its vendor")
    check_time: bool = described(True, "whether masters refuse to start while their clock is not synchronised")
    dns_search: Domain | None = described(None, "search domain of the nodes")
    dcos_overlay_enable: bool = described(True, "whether containers can have DC/OS' virtual network")
    dcos_overlay_mtu: Number = described(1420, "MTU of the virtual network", ge=552, le=9000)
    gc_delay: Number = described(2, "days for which agents keep the directories of ended tasks", ge=0, le=3650)
    docker_remove_delay: Number = described(1, "hours for which agents keep containers that have ended", ge=0, le=87600)
    exhibitor_storage_backend: Literal["static"] = described("static", "only `static` is supported")
    master_discovery: Literal["static"] = described("static", "only `static` is supported")
    published_ports: Ports = described("80 443", "ports that everybody may reach on public agents")


def read_labels(cluster: ClusterSpec, nodegroup: NodegroupSpec | None = None) -> Labels:
    """The labels of a cluster, or of one of its nodegroups. Raises pydantic.ValidationError."""
    return Labels.read(cluster, nodegroup)


def problems(cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
    """All problems with labels, ports and sizes, as sentences for the user."""
    found = Labels.problems(cluster)
    if not found:
        if read_labels(cluster).dcos_generate_config_url is None:
            found.append("label dcos_generate_config_url: DC/OS clusters need it: the URL of dcos_generate_config.sh")
        for group in nodegroups:
            found += Labels.problems(cluster, group) or Labels.contradictions(cluster, group)
    if cluster.apiserver_port not in (None, API_PORT):
        found.append(f"apiserver_port: Admin Router of DC/OS listens on {API_PORT}; leave it out")
    for group in nodegroups:
        if group.role == BOOTSTRAP and group.node_count != 1:
            found.append(f"node_count: nodegroup {group.name} has one machine, from which the others are installed")
    return list(dict.fromkeys(found))
