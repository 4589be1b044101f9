"""Volumes from Cinder: the CSI driver's controller, its node plug-in, and the default storage class.

Source: the documented options of cinder-csi-plugin and of the CSI project's helper containers.
"""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import BootstrapContext
from shared.drivers.kubernetes.addons import cloud_controller
from shared.drivers.kubernetes.addons.csi import KUBELET, SOCKET, helper, plugin_directory, registrar
from shared.drivers.kubernetes.addons.objects import (
    SYSTEM,
    TOLERATE_ALL,
    Object,
    account,
    host_path,
    image,
    metadata,
    mount,
    rule,
    workload,
)
from shared.drivers.kubernetes.labels import Labels

DRIVER = "cinder.csi.openstack.org"
_CONTROLLER = "csi-cinder-controllerplugin"
_NODE = "csi-cinder-nodeplugin"


def render(context: BootstrapContext, labels: Labels) -> list[Object]:
    """All objects, in the order in which they are applied."""
    reads = cloud_controller.cloud_conf(context, labels)
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIDriver",
            "metadata": metadata(DRIVER),
            "spec": {"attachRequired": True, "podInfoOnMount": True, "volumeLifecycleModes": ["Persistent"]},
        },
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": metadata("cinder", annotations={"storageclass.kubernetes.io/is-default-class": "true"}),
            "provisioner": DRIVER,
            "allowVolumeExpansion": True,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
        *account("csi-cinder-controller", SYSTEM, "csi-cinder-controller", _CONTROLLER_RULES),
        *account("csi-cinder-node", SYSTEM, "csi-cinder-node", [rule("core", "events", "get list create patch")]),
        workload("Deployment", _CONTROLLER, SYSTEM, _controller(context, labels), reads=reads, replicas=1),
        workload("DaemonSet", _NODE, SYSTEM, _node(context, labels), reads=reads),
    ]


def _controller(context: BootstrapContext, labels: Labels) -> Object:
    share = [mount("socket", "/csi")]
    election = ("--timeout=3m", "--leader-election=true")
    plugin = _plugin(context, labels, "--provide-node-service=false")
    plugin["volumeMounts"] = [*share, *plugin["volumeMounts"]]
    return {
        "serviceAccountName": "csi-cinder-controller",
        "priorityClassName": "system-cluster-critical",
        "containers": [
            helper(labels, "csi-attacher", labels.csi_attacher_tag, *election, "--default-fstype=ext4"),
            helper(
                labels,
                "csi-provisioner",
                labels.csi_provisioner_tag,
                *election,
                "--default-fstype=ext4",
                "--extra-create-metadata",
            ),
            helper(labels, "csi-resizer", labels.csi_resizer_tag, *election, "--handle-volume-inuse-error=false"),
            helper(labels, "livenessprobe", labels.csi_liveness_probe_tag),
            plugin,
        ],
        "volumes": [{"name": "socket", "emptyDir": {}}, _cloud_config()],
    }


def _node(context: BootstrapContext, labels: Labels) -> Object:
    share = [mount("socket", "/csi")]
    plugin = _plugin(context, labels, "--provide-controller-service=false")
    plugin["securityContext"] = {"privileged": True}  # it mounts volumes for pods
    plugin["volumeMounts"] = [
        *share,
        mount("kubelet", KUBELET, mountPropagation="Bidirectional"),
        mount("devices", "/dev", mountPropagation="HostToContainer"),
        *plugin["volumeMounts"],
    ]
    return {
        "hostNetwork": True,
        "serviceAccountName": "csi-cinder-node",
        "priorityClassName": "system-node-critical",
        "tolerations": [TOLERATE_ALL],
        "containers": [registrar(labels, DRIVER), plugin],
        "volumes": [
            host_path("socket", plugin_directory(DRIVER), "DirectoryOrCreate"),
            host_path("registration", f"{KUBELET}/plugins_registry/", "Directory"),
            host_path("kubelet", KUBELET, "Directory"),
            host_path("devices", "/dev", "Directory"),
            _cloud_config(),
        ],
    }


def _plugin(context: BootstrapContext, labels: Labels, *arguments: str) -> Object:
    tag = labels.cinder_csi_plugin_tag or f"{labels.minor}.0"
    return {
        "name": "cinder-csi-plugin",
        "image": image(labels.container_infra_prefix, "cinder-csi-plugin", tag, path="provider-os/"),
        "args": [
            "/bin/cinder-csi-plugin",
            f"--endpoint=unix://{SOCKET}",
            f"--cloud-config={cloud_controller.DIRECTORY}/cloud.conf",
            f"--cluster={context.cluster.uuid}",
            "--with-topology=false",
            *arguments,
        ],
        "volumeMounts": [mount("cloud-config", cloud_controller.DIRECTORY, readOnly=True)],
    }


def _cloud_config() -> Object:
    return {"name": "cloud-config", "secret": {"secretName": cloud_controller.SECRET}}


_CONTROLLER_RULES: Sequence[Object] = [
    rule("core", "persistentvolumes", "get list watch create update patch delete"),
    rule("core", "persistentvolumeclaims", "get list watch update patch"),
    rule("core", "persistentvolumeclaims/status", "update patch"),
    rule("core", "nodes pods", "get list watch"),
    rule("core", "events", "get list watch create update patch"),
    rule("storage.k8s.io", "storageclasses csinodes volumeattributesclasses", "get list watch"),
    rule("storage.k8s.io", "volumeattachments", "get list watch update patch"),
    rule("storage.k8s.io", "volumeattachments/status", "patch"),
    rule("coordination.k8s.io", "leases", "get list watch create update patch delete"),
]
