"""What the pods of CSI drivers have in common: helper containers of the CSI project, which call a driver."""

from __future__ import annotations

from shared.drivers.kubernetes.addons.objects import Object, image, mount
from shared.drivers.kubernetes.labels import Labels

KUBELET = "/var/lib/kubelet"
SOCKET = "/csi/csi.sock"


def plugin_directory(driver: str) -> str:
    """Where the node plug-in of a driver has its socket on the host."""
    return f"{KUBELET}/plugins/{driver}"


def helper(labels: Labels, name: str, tag: str, *arguments: str) -> Object:
    """A helper container; the pod's volume `socket` holds the driver's socket."""
    return {
        "name": name,
        "image": image(labels.container_infra_prefix, name, tag, path="sig-storage/"),
        "args": [f"--csi-address={SOCKET}", *arguments],
        "volumeMounts": [mount("socket", "/csi")],
    }


def registrar(labels: Labels, driver: str) -> Object:
    """The container that registers a driver at the kubelet of its node; the pod also has the volume `registration`."""
    path = f"--kubelet-registration-path={plugin_directory(driver)}/csi.sock"
    found = helper(labels, "csi-node-driver-registrar", labels.csi_node_driver_registrar_tag, path)
    mounts = [*found["volumeMounts"], mount("registration", "/registration")]
    return found | {"name": "node-driver-registrar", "volumeMounts": mounts}
