"""What the CSI drivers of CVMFS and EOS have in common: on every node, autofs mounts what is used below one directory.

Rule: a node plug-in that is restarted breaks the mounts of its node, so it is replaced only when its pod is deleted.
Source: the documented options of both drivers and of the CSI project's helper containers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.drivers.kubernetes.addons.csi import KUBELET, SOCKET, helper, plugin_directory, registrar
from shared.drivers.kubernetes.addons.objects import (
    SYSTEM,
    TOLERATE_ALL,
    Object,
    account,
    from_field,
    host_path,
    metadata,
    mount,
    rule,
    workload,
)
from shared.drivers.kubernetes.labels import Labels

_PRIVILEGED = {"privileged": True}  # it mounts file systems for pods


@dataclass(frozen=True, slots=True)
class Runner:
    """A further container of the node plug-in, which mounts or repairs mounts.

    Args:
        mounts: in addition to those of every such container.
    """

    name: str
    command: str
    arguments: Sequence[str] = ()
    mounts: Sequence[Object] = ()


@dataclass(frozen=True, slots=True)
class AutomountDriver:
    """A CSI driver.

    Args:
        driver: its name in the CSI.
        name: of its workloads, and of its image where container_infra_prefix names the registry.
        image: with its tag.
        program: path of the plug-in in the image.
        directory: where autofs mounts in containers; on the host it is below `/var`.
        plugin_arguments, plugin_mounts: of the node's plug-in, in addition to those of every driver.
        volumes: those that mounts of this driver name.
    """

    driver: str
    name: str
    storage_class: str
    image: str
    program: str
    directory: str
    runners: Sequence[Runner]
    volumes: Sequence[Object]
    plugin_arguments: Sequence[str] = ()
    plugin_mounts: Sequence[Object] = ()
    pod: Object = field(default_factory=dict)


def render(driver: AutomountDriver, labels: Labels, config: Sequence[Object]) -> list[Object]:
    """All objects of a driver, in the order in which they are applied.

    Args:
        config: the objects with its configuration; its pods read it only at start.
    """
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIDriver",
            "metadata": metadata(driver.driver),
            "spec": {"attachRequired": False, "podInfoOnMount": False, "volumeLifecycleModes": ["Persistent"]},
        },
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": metadata(driver.storage_class),
            "provisioner": driver.driver,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        },
        *config,
        *account(driver.name, SYSTEM, f"jeroboam:{driver.name}", _RULES),
        workload("Deployment", f"{driver.name}-controller", SYSTEM, _controller(driver, labels), replicas=1),
        workload(
            "DaemonSet",
            f"{driver.name}-node",
            SYSTEM,
            _node(driver, labels),
            reads=str(config),
            updateStrategy={"type": "OnDelete"},
        ),
    ]


def _controller(driver: AutomountDriver, labels: Labels) -> Object:
    share = [mount("socket", "/csi")]
    provisioner = helper(labels, "csi-provisioner", labels.csi_provisioner_tag, "--leader-election=true")
    plugin = _plugin(driver, f"unix://{SOCKET}", "identity,controller")
    return {
        "serviceAccountName": driver.name,
        "priorityClassName": "system-cluster-critical",
        "containers": [provisioner, plugin | {"volumeMounts": share}],
        "volumes": [{"name": "socket", "emptyDir": {}}],
    }


def _node(driver: AutomountDriver, labels: Labels) -> Object:
    machine = [
        mount("sys", "/sys"),
        mount("modules", "/lib/modules", readOnly=True),
        mount("devices", "/dev"),
    ]
    root = mount("autofs", driver.directory, mountPropagation="Bidirectional")
    plugin = _plugin(driver, f"unix://{SOCKET}", "identity,node", *driver.plugin_arguments)
    plugin |= {
        "securityContext": _PRIVILEGED,
        "volumeMounts": [
            mount("socket", "/csi"),
            mount("pods", f"{KUBELET}/pods", mountPropagation="Bidirectional"),
            *machine,
            root,
            *driver.plugin_mounts,
        ],
    }
    runners: list[Object] = [
        {
            "name": runner.name,
            "image": driver.image,
            "command": [runner.command],
            "args": list(runner.arguments),
            "securityContext": _PRIVILEGED,
            "volumeMounts": [*machine, root, *runner.mounts],
        }
        for runner in driver.runners
    ]
    return {
        "hostPID": True,  # autofs needs it
        "automountServiceAccountToken": False,
        "priorityClassName": "system-node-critical",
        "tolerations": [TOLERATE_ALL],
        "containers": [registrar(labels, driver.driver), plugin, *runners],
        "volumes": [
            host_path("socket", plugin_directory(driver.driver), "DirectoryOrCreate"),
            host_path("registration", f"{KUBELET}/plugins_registry", "DirectoryOrCreate"),
            host_path("pods", f"{KUBELET}/pods", "Directory"),
            host_path("sys", "/sys"),
            host_path("modules", "/lib/modules"),
            host_path("devices", "/dev"),
            host_path("autofs", f"/var{driver.directory}", "DirectoryOrCreate"),
            *driver.volumes,
        ],
        **driver.pod,
    }


def _plugin(driver: AutomountDriver, endpoint: str, role: str, *arguments: str) -> Object:
    return {
        "name": "plugin",
        "image": driver.image,
        "command": [driver.program],
        "args": [
            "--nodeid=$(NODE_ID)",
            f"--endpoint={endpoint}",
            f"--drivername={driver.driver}",
            f"--role={role}",
            *arguments,
        ],
        "env": [from_field("NODE_ID", "spec.nodeName")],
    }


_RULES: Sequence[Object] = [
    rule("core", "persistentvolumes", "get list watch create delete patch"),
    rule("core", "persistentvolumeclaims", "get list watch update"),
    rule("core", "nodes", "get list watch"),
    rule("core", "events", "get list watch create update patch"),
    rule("storage.k8s.io", "storageclasses csinodes", "get list watch"),
    rule("coordination.k8s.io", "leases", "get list watch create update patch delete"),
]
