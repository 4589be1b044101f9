"""Renders the files and script with which one node joins the cluster.

Rule: the first master initializes the cluster. Other masters join one at a time, because etcd adds one member at a
time; workers join in parallel as soon as there is a master. Once a master has joined, no other master initializes a
cluster, whatever its index: it may be a rebuilt machine.
"""

from __future__ import annotations

from jeroboam.driver import FAILED, JOINED, Bootstrap, BootstrapContext, EndpointMode, NotYet, masters
from shared.drivers.kubernetes import addons, host, kubeadm, pki
from shared.drivers.kubernetes.labels import Labels


def render(context: BootstrapContext, labels: Labels) -> Bootstrap | NotYet:
    """The node's bootstrap, or why it has to wait."""
    not_yet = _not_yet(context)
    if not_yet is not None:
        return not_yet
    me, ordered = context.node.uuid, masters(context.nodes)
    others_joined = any(node.has_joined for node in ordered if node.uuid != me)
    first = me == ordered[0].uuid
    # The kubelet uses an external cloud provider if and only if the cloud controller is installed.
    external_cloud = labels.cloud_provider_enabled and bool(context.cloud_config)
    role = "init" if first and not others_joined else "join"
    render_config = kubeadm.render_init if role == "init" else kubeadm.render_join
    files = host.files(context, labels, role=role)
    config = render_config(context, labels, external_cloud=external_cloud)
    files.append({"path": f"{host.ETC}/kubeadm.yaml", "content": config, "mode": "0600"})
    if role == "join":
        files.append({"path": kubeadm.DISCOVERY, "content": kubeadm.render_discovery(context), "mode": "0600"})
    files += pki.master_files(context.secrets) if context.node.is_master else pki.worker_files(context.secrets)
    if first:
        files += addons.files(context, labels, external_cloud=external_cloud)
    return Bootstrap(script=host.script("node.sh"), files=files)


def _not_yet(context: BootstrapContext) -> NotYet | None:
    ordered = masters(context.nodes)
    me = context.node.uuid
    if "api_private_address" not in context.base_outputs:
        return NotYet("the address of the cluster's API is not known yet", 3)
    first = ordered[0]
    joined = any(node.has_joined for node in ordered)
    if joined and not context.node.has_joined and context.node.ip_address is None:
        return NotYet("the node's address is not known yet, so no certificate can be signed for it", 5)
    if not context.node.is_master:
        return None if joined else NotYet(f"waiting for the first master {first.name}", 3)
    if context.cluster.endpoint_mode is EndpointMode.VIRTUAL_IP:
        # Their configurations contain each other's addresses.
        unknown = [node.name for node in ordered if node.ip_address is None]
        if unknown:
            return NotYet(f"waiting for the addresses of {', '.join(unknown)}", 3)
    if me == first.uuid:
        return None
    if not joined:
        return NotYet(f"waiting for the first master {first.name}", 3)
    for node in ordered:
        if node.uuid == me:
            break
        if node.state not in (JOINED, FAILED):
            return NotYet(f"masters join one at a time: waiting for {node.name}", 3)
    return None
