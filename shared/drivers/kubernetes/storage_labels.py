"""The labels of file systems for physics data: CVMFS and EOS, by their CSI drivers.

Rule: their images are in no registry that kubeadm uses, so a label names where they come from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from jeroboam.driver import ClusterSpec, texts
from jeroboam.driver.label_specs import described
from jeroboam.driver.label_types import Number, Tag
from shared.drivers.monitoring.labels import MonitoringLabels

MOST_INSTANCES = 50
_INSTANCE = re.compile(r"([a-z0-9][a-z0-9-]{0,62})=([A-Za-z0-9.-]{1,253}):(/[A-Za-z0-9._/-]{0,254})")
_OBJECT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_PROXIES = re.compile(r"[A-Za-z0-9:/.;|_,@%-]{1,1024}")


@dataclass(frozen=True, slots=True)
class EosInstance:
    """What is mounted at `/eos/<name>`: a directory of the instance that a host manages."""

    name: str
    host: str
    directory: str


def parse_instances(text: str) -> list[EosInstance]:
    """Parse instances such as `atlas=eosatlas.example.org:/eos/atlas/`. Raises ValueError."""
    matches = [_INSTANCE.fullmatch(word) for word in text.split()]
    found = [EosInstance(match[1], match[2], match[3]) for match in matches if match]
    if len(found) < len(matches):
        raise ValueError(
            "must be instances as name=host:/directory/, separated by blanks, such as "
            "atlas=eosatlas.example.org:/eos/atlas/"
        )
    if len(found) > MOST_INSTANCES or len({each.name for each in found}) < len(found):
        raise ValueError(f"must be at most {MOST_INSTANCES} instances, each name once")
    return found


def _instances(value: str) -> str:
    parse_instances(value)
    return value


def _image(value: str) -> str:
    return texts.image_prefix(value).rstrip("/")


def _object(value: str) -> str:
    if not _OBJECT.fullmatch(value):
        raise ValueError("must be the name of a Secret, such as eos-keytab")
    return value


def _proxies(value: str) -> str:
    if not _PROXIES.fullmatch(value):
        raise ValueError("must be proxies as CVMFS_HTTP_PROXY has them, such as http://squid.example.org:3128;DIRECT")
    return value


Image = Annotated[str, AfterValidator(_image)]
Instances = Annotated[str, AfterValidator(_instances)]
ObjectName = Annotated[str, AfterValidator(_object)]
Proxies = Annotated[str, AfterValidator(_proxies)]


class StorageLabels(MonitoringLabels):
    """The labels of a cluster whose pods mount CVMFS and EOS."""

    cvmfs_csi_enabled: bool = described(False, "CVMFS as volumes; storage class `cvmfs` (docs/storage.md)")
    cvmfs_csi_image: Image | None = described(
        None, "image of CVMFS CSI without its tag", shown="`cvmfs-csi` in `container_infra_prefix`"
    )
    cvmfs_csi_tag: Tag = described("v2.3.2", "tag of CVMFS CSI's image")
    cvmfs_http_proxy: Proxies = described("DIRECT", "value of CVMFS_HTTP_PROXY, such as that of a site's Squid")
    cvmfs_quota_limit: Number = described(4000, "size of the cache on each node, MiB", ge=1000, le=1_000_000)
    eos_enabled: bool = described(False, "EOS as volumes; storage class `eos`; needs `eos_instances` (docs/storage.md)")
    eos_instances: Instances = described(
        "", "what is mounted below `/eos`, as `name=host:/directory/`, separated by blanks, at most 50"
    )
    eos_keytab_secret: ObjectName | None = described(
        None, "Secret in `kube-system` with the key `eos.keytab`, by which nodes authenticate", shown="no keytab"
    )
    eosxd_csi_image: Image | None = described(
        None, "image of EOSxd CSI without its tag", shown="`eosxd-csi` in `container_infra_prefix`"
    )
    eosxd_csi_tag: Tag = described("v1.3.1", "tag of EOSxd CSI's image")

    @property
    def instances(self) -> list[EosInstance]:
        return parse_instances(self.eos_instances)

    @property
    def cvmfs_image(self) -> str | None:
        """The image of CVMFS CSI; None if it is not used, or no label says where it comes from."""
        return self._tagged(self.cvmfs_csi_enabled, self.cvmfs_csi_image, "cvmfs-csi", self.cvmfs_csi_tag)

    @property
    def eosxd_image(self) -> str | None:
        """The image of EOSxd CSI; None as above, or if there is nothing to mount."""
        used = self.eos_enabled and bool(self.instances)
        return self._tagged(used, self.eosxd_csi_image, "eosxd-csi", self.eosxd_csi_tag)

    def _tagged(self, used: bool, image: str | None, name: str, tag: str) -> str | None:
        prefix: str = getattr(self, "container_infra_prefix", "")
        repository = image or (f"{prefix}{name}" if prefix else None)
        return f"{repository}:{tag}" if used and repository else None

    def combined_problems(self, cluster: ClusterSpec) -> list[str]:
        found = super().combined_problems(cluster)
        needs = "needs it, or container_infra_prefix: the image is in no default registry"
        if self.cvmfs_csi_enabled and not self.cvmfs_image:
            found.append(f"label cvmfs_csi_image: cvmfs_csi_enabled {needs}")
        if self.eos_enabled and not self.instances:
            found.append("label eos_instances: eos_enabled needs at least one instance")
        elif self.eos_enabled and not self.eosxd_image:
            found.append(f"label eosxd_csi_image: eos_enabled {needs}")
        return found
