"""Add-ons that are installed in addition to kubeadm's CoreDNS and kube-proxy.

Rule: the manifests are Jeroboam's own, written from each project's documented interface. They are applied every time
the first master's bootstrap runs, so that changed labels are rolled out. File names define the order.
"""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from jeroboam.driver import BootstrapContext
from shared.drivers.kubernetes.addons import (
    access,
    cinder_csi,
    cloud_controller,
    cvmfs_csi,
    eosxd_csi,
    flannel,
    monitoring,
)
from shared.drivers.kubernetes.addons.objects import Object
from shared.drivers.kubernetes.labels import Labels

DIRECTORY = "/etc/jeroboam/addons"


def files(context: BootstrapContext, labels: Labels, *, external_cloud: bool) -> list[dict[str, str]]:
    """The manifests for the first master; readable only by root, because they contain secrets."""
    manifests: dict[str, Sequence[Object]] = {"10-access": access.render()}
    if labels.network_driver == "flannel":
        manifests["20-flannel"] = flannel.render(labels)
    if external_cloud:
        manifests["30-cloud-config"] = [cloud_controller.secret(context, labels)]
        manifests["40-cloud-controller"] = cloud_controller.render(context, labels)
        if labels.cinder_csi_enabled:
            manifests["50-cinder-csi"] = cinder_csi.render(context, labels)
    if image := labels.cvmfs_image:
        manifests["52-cvmfs-csi"] = cvmfs_csi.render(labels, image)
    if image := labels.eosxd_image:
        manifests["54-eosxd-csi"] = eosxd_csi.render(labels, image)
    if labels.monitoring_enabled:
        manifests["60-monitoring"] = monitoring.render(context, labels)
    return [
        {"path": f"{DIRECTORY}/{name}.yaml", "content": yaml.safe_dump_all(objects, sort_keys=False), "mode": "0600"}
        for name, objects in manifests.items()
    ]
