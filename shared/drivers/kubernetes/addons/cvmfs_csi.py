"""CVMFS as volumes: all repositories below `/cvmfs`, or one that a storage class or a volume names.

Source: the documentation of CVMFS CSI, and of the client's parameters.
"""

from __future__ import annotations

import shlex

from shared.drivers.kubernetes.addons import automount_csi
from shared.drivers.kubernetes.addons.automount_csi import AutomountDriver, Runner
from shared.drivers.kubernetes.addons.objects import SYSTEM, Object, config_map, host_path, mount
from shared.drivers.kubernetes.labels import Labels

DRIVER = "cvmfs.csi.cern.ch"
NAME = "cvmfs-csi"
_CONFIG = "cvmfs-client"
_CACHE = "/cvmfs-localcache"
# Between the plug-in and the process that mounts single repositories.
_RUNTIME = f"/var/lib/{DRIVER}"
_SOCKET = f"unix://{_RUNTIME}/singlemount-runner.sock"


def render(labels: Labels, image: str) -> list[Object]:
    """All objects, in the order in which they are applied."""
    settings = mount("client", "/etc/cvmfs/default.local", subPath="default.local", readOnly=True)
    cache, runtime = mount("cache", _CACHE), mount("runtime", _RUNTIME)
    kubelet = mount("kubelet-pods", "/var/lib/kubelet/pods", mountPropagation="Bidirectional")
    driver = AutomountDriver(
        driver=DRIVER,
        name=NAME,
        storage_class="cvmfs",
        image=image,
        program="/csi-cvmfsplugin",
        directory="/cvmfs",
        plugin_arguments=["--automount-startup-timeout=10", f"--singlemount-runner-endpoint={_SOCKET}"],
        plugin_mounts=[runtime],
        runners=[
            Runner("automount", "/automount-runner", ["--unmount-timeout=300"], [settings, cache]),
            Runner("automount-reconciler", "/automount-reconciler", ["--period=30s"], [settings, cache]),
            Runner("singlemount", "/singlemount-runner", [f"--endpoint={_SOCKET}"], [settings, runtime, kubelet]),
        ],
        volumes=[
            {"name": "client", "configMap": {"name": _CONFIG}},
            host_path("cache", f"/var/lib/{DRIVER}/cache", "DirectoryOrCreate"),
            host_path("kubelet-pods", "/var/lib/kubelet/pods", "Directory"),
            {"name": "runtime", "emptyDir": {}},
        ],
    )
    return automount_csi.render(driver, labels, [_client(labels)])


def _client(labels: Labels) -> Object:
    """The client's parameters, which a shell reads."""
    values = {
        "CVMFS_USE_GEOAPI": "yes",
        "CVMFS_HTTP_PROXY": labels.cvmfs_http_proxy,
        "CVMFS_QUOTA_LIMIT": str(labels.cvmfs_quota_limit),
        "CVMFS_CACHE_BASE": _CACHE,
    }
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return config_map(_CONFIG, SYSTEM, {"default.local": text})
