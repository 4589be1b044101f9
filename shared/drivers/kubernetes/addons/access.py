"""Roles for the groups in users' kubeconfigs. Administrators are in `system:masters`, which needs no binding."""

from __future__ import annotations

from shared.drivers.kubernetes.addons.objects import RBAC, Object, binding, rule

VIEWERS = "jeroboam:viewers"


def render() -> list[Object]:
    """Viewers can see workloads and nodes, but no secrets."""
    group = {"kind": "Group", "name": VIEWERS, "apiGroup": RBAC}
    nodes: Object = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "jeroboam:view-nodes"},
        "rules": [
            rule("core", "nodes namespaces persistentvolumes", "get list watch"),
            rule("storage.k8s.io", "storageclasses", "get list watch"),
        ],
    }
    return [nodes, binding(VIEWERS, "view", group), binding(f"{VIEWERS}:nodes", "jeroboam:view-nodes", group)]
