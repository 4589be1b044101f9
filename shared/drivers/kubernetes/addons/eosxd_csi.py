"""EOS as volumes: the instances of a label, mounted below `/eos` when they are used.

Rule: users authenticate in their pods (Kerberos, OAuth2), or nodes by a keytab in a Secret of the cluster's own; no
label contains one. Source: the documentation of EOSxd CSI, of autofs, and of eosxd's configuration.
"""

from __future__ import annotations

import json
from typing import Any

from shared.drivers.kubernetes.addons import automount_csi
from shared.drivers.kubernetes.addons.automount_csi import AutomountDriver, Runner
from shared.drivers.kubernetes.addons.objects import SYSTEM, Object, config_map, host_path, mount
from shared.drivers.kubernetes.labels import Labels
from shared.drivers.kubernetes.storage_labels import EosInstance

DRIVER = "eosxd.csi.cern.ch"
NAME = "eosxd-csi"
_CLIENT, _AUTOFS = "eosxd-client", "eosxd-autofs"
_KEYTAB = "/etc/eos-keytab/eos.keytab"


def render(labels: Labels, image: str) -> list[Object]:
    """All objects, in the order in which they are applied."""
    mounts = [
        mount("cache", "/var/cache"),
        mount("client", "/etc/eos", readOnly=True),
        mount("maps", "/etc/auto.master.d", readOnly=True),
    ]
    volumes: list[Object] = [
        host_path("cache", f"/var/lib/{DRIVER}/cache", "DirectoryOrCreate"),
        {"name": "client", "configMap": {"name": _CLIENT}},
        {"name": "maps", "configMap": {"name": _AUTOFS}},
    ]
    if labels.eos_keytab_secret:
        mounts.append(mount("keytab", "/etc/eos-keytab", readOnly=True))
        volumes.append({"name": "keytab", "secret": {"secretName": labels.eos_keytab_secret, "defaultMode": 0o400}})
    driver = AutomountDriver(
        driver=DRIVER,
        name=NAME,
        storage_class="eos",
        image=image,
        program="/csi-driver",
        directory="/eos",
        plugin_arguments=["--automount-startup-timeout=10"],
        runners=[
            Runner("automount", "/automount-runner", ["--unmount-timeout=600"], mounts),
            Runner("mount-reconciler", "/mount-reconciler", ["--frequency=10s"]),
        ],
        volumes=volumes,
        # The keytab's protocol compares the name of the pod's host with its address.
        pod={"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
    )
    return automount_csi.render(driver, labels, _config(labels))


def _config(labels: Labels) -> list[Object]:
    auth = {"auth": {"ssskeytab": _KEYTAB}} if labels.eos_keytab_secret else {}
    client = {f"fuse.{each.name}.conf": _instance(each, auth) for each in labels.instances}
    entries = "".join(f"{each.name} -fstype=eosx,fsname={each.name} :eosxd\n" for each in labels.instances)
    return [
        config_map(_CLIENT, SYSTEM, {"fuse.conf": json.dumps(auth) + "\n", **client, "auto.eos": entries}),
        config_map(_AUTOFS, SYSTEM, {"eos.autofs": "/eos /etc/eos/auto.eos\n"}),
    ]


def _instance(instance: EosInstance, auth: dict[str, Any]) -> str:
    values = {"name": instance.name, "hostport": instance.host, "remotemountdir": instance.directory, **auth}
    return json.dumps(values) + "\n"
