"""Helpers that build Kubernetes objects as plain dicts. Source: the Kubernetes API reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

Object = dict[str, Any]

SYSTEM = "kube-system"
RBAC = "rbac.authorization.k8s.io"
ON_MASTERS = {"node-role.kubernetes.io/control-plane": ""}
TOLERATE_MASTERS = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
# The taint of every node until the cloud controller has initialized it.
TOLERATE_NEW_NODES = {"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"}
TOLERATE_ALL = {"operator": "Exists"}


def image(prefix: str, name: str, tag: str, *, path: str = "") -> str:
    """An add-on's image.

    Args:
        prefix: the label container_infra_prefix; as in Magnum, the registry contains all images in one directory.
        path: path of the image in the registry that kubeadm uses, which is determined on the node.
    """
    return f"{prefix}{name}:{tag}" if prefix else f"@REGISTRY@/{path}{name}:{tag}"


def metadata(name: str, namespace: str | None = None, **more: Any) -> Object:
    return {"name": name, **({"namespace": namespace} if namespace else {}), **more}


def rule(groups: str, resources: str, verbs: str) -> Object:
    """A rule of a role. Arguments are lists separated by spaces; `core` is the group without a name."""
    return {
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
        "verbs": verbs.split(),
    }


def account(name: str, namespace: str, role: str, rules: Sequence[Mapping[str, Any]]) -> list[Object]:
    """A service account with its cluster role."""
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name, namespace)},
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": metadata(role), "rules": list(rules)},
        binding(role, role, {"kind": "ServiceAccount", "name": name, "namespace": namespace}),
    ]


def binding(name: str, role: str, subject: Mapping[str, str]) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata(name),
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [dict(subject)],
    }


def workload(kind: str, name: str, namespace: str, pod: Mapping[str, Any], *, reads: str = "", **spec: Any) -> Object:
    """A DaemonSet or Deployment whose pods have the label `app=<name>`.

    Args:
        reads: the configuration that its pods read only at start; when it changes, they are restarted.
    """
    digest = {"annotations": {"jeroboam.io/configuration": sha256(reads.encode()).hexdigest()}} if reads else {}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata(name, namespace, labels=labels),
        "spec": {
            **spec,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, **digest}, "spec": dict(pod)},
        },
    }


def config_map(name: str, namespace: str, data: Mapping[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name, namespace), "data": data}


def from_field(name: str, path: str) -> Object:
    """An environment variable with the value of a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def host_path(name: str, path: str, kind: str = "") -> Object:
    return {"name": name, "hostPath": {"path": path, **({"type": kind} if kind else {})}}


def mount(name: str, path: str, **more: Any) -> Object:
    return {"name": name, "mountPath": path, **more}
