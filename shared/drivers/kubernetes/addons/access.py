"""What the groups in users' kubeconfigs may do. Administrators are `system:masters`, which needs no binding."""

from __future__ import annotations

from shared.drivers.kubernetes.addons.objects import RBAC, Object, binding, rule

VIEWERS = "jeroboam:viewers"


def render() -> list[Object]:
    """Who may look at a cluster sees what runs in it and on which nodes, but no secrets."""
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
