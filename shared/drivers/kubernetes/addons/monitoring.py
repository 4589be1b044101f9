"""Monitoring: the node exporter on every node, Prometheus, and Grafana, in a namespace of their own.

Rule: Prometheus may read metrics, and list what it scrapes, and nothing else. It does not verify the kubelets'
certificates, which kubeadm lets them sign themselves, so its token must not be worth more than that.
Source: Prometheus' documentation of `kubernetes_sd_configs`, and the Kubernetes documentation of the kubelet's metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jeroboam.driver import BootstrapContext, Secret
from shared.drivers.kubernetes.addons.objects import (
    TOLERATE_ALL,
    Object,
    account,
    config_map,
    host_path,
    metadata,
    mount,
    rule,
    workload,
)
from shared.drivers.kubernetes.addons.scraping import jobs
from shared.drivers.kubernetes.labels import Labels
from shared.drivers.kubernetes.pki import PASSWORDS
from shared.drivers.monitoring import grafana, settings
from shared.drivers.monitoring.settings import GRAFANA_PORT, NODE_EXPORTER_PORT, PASSWORD_FILE, PROMETHEUS_PORT

NAMESPACE = "monitoring"
_SOURCES = f"{grafana.PROVISIONING}/datasources"
_PROVIDERS = f"{grafana.PROVISIONING}/dashboards"


def render(context: BootstrapContext, labels: Labels) -> list[Object]:
    """All objects, in the order in which they are applied."""
    admin = password(context.secrets, labels)
    config = {
        "prometheus.yml": settings.prometheus_config(context.cluster, labels, jobs()),
        settings.RULES_FILE: settings.rules(),
    }
    shown = {
        "prometheus.yaml": grafana.data_source("prometheus"),
        "provider.yaml": grafana.provider(),
        "cluster.json": grafana.dashboard("namespace, pod", 'container!="", pod!=""'),
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": metadata(NAMESPACE, labels={"pod-security.kubernetes.io/enforce": "privileged"}),
        },
        *account("prometheus", NAMESPACE, "jeroboam:prometheus", _RULES),
        config_map("prometheus", NAMESPACE, config),
        config_map("grafana", NAMESPACE, shown),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata("grafana", NAMESPACE),
            "type": "Opaque",
            "stringData": {PASSWORD_FILE: admin},
        },
        *([_claim(labels)] if labels.monitoring_storage_class_name else []),
        workload("DaemonSet", "node-exporter", NAMESPACE, _node_exporter(labels)),
        # Two of them cannot write to one volume.
        workload(
            "Deployment",
            "prometheus",
            NAMESPACE,
            _prometheus(labels),
            reads=str(config),
            replicas=1,
            strategy={"type": "Recreate"},
        ),
        workload("Deployment", "grafana", NAMESPACE, _grafana(labels), reads=f"{shown}{admin}", replicas=1),
        _service("prometheus", PROMETHEUS_PORT),
        _service("grafana", GRAFANA_PORT),
    ]


def password(secrets: Mapping[str, Secret], labels: Labels) -> str | None:
    """The password of Grafana's user `admin`; None without monitoring."""
    return settings.admin_password(labels, secrets[PASSWORDS].secret) if labels.monitoring_enabled else None


def _node_exporter(labels: Labels) -> Object:
    return {
        "hostNetwork": True,
        "hostPID": True,
        "tolerations": [TOLERATE_ALL],
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": settings.UNPRIVILEGED},
        "containers": [
            {
                "name": "node-exporter",
                "image": _image(labels, "prom/", "node-exporter", labels.node_exporter_tag),
                "args": settings.node_exporter_arguments(["containerd", "kubelet"]),
                "ports": [{"name": "metrics", "containerPort": NODE_EXPORTER_PORT}],
                "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}},
                "securityContext": _RESTRICTED,
                "volumeMounts": [mount("root", "/host", readOnly=True, mountPropagation="HostToContainer")],
            }
        ],
        "volumes": [host_path("root", "/")],
    }


def _prometheus(labels: Labels) -> Object:
    claim = {"persistentVolumeClaim": {"claimName": "prometheus"}}
    data = claim if labels.monitoring_storage_class_name else {"emptyDir": {}}
    return {
        "serviceAccountName": "prometheus",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": settings.UNPRIVILEGED,
            "runAsGroup": settings.UNPRIVILEGED,
            "fsGroup": settings.UNPRIVILEGED,
        },
        "containers": [
            {
                "name": "prometheus",
                "image": _image(labels, "prom/", "prometheus", labels.prometheus_tag),
                "args": settings.prometheus_arguments(labels),
                "ports": [{"name": "http", "containerPort": PROMETHEUS_PORT}],
                "readinessProbe": {"httpGet": {"path": "/-/ready", "port": PROMETHEUS_PORT}},
                "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
                "securityContext": _RESTRICTED,
                "volumeMounts": [mount("config", "/etc/prometheus", readOnly=True), mount("data", "/prometheus")],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": "prometheus"}}, {"name": "data", **data}],
    }


def _grafana(labels: Labels) -> Object:
    password = {"secretKeyRef": {"name": "grafana", "key": PASSWORD_FILE}}

    def file(key: str, directory: str) -> Object:
        return mount("config", f"{directory}/{key}", subPath=key, readOnly=True)

    return {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 472, "runAsGroup": 0, "fsGroup": 472},
        "containers": [
            {
                "name": "grafana",
                "image": _image(labels, "grafana/", "grafana", labels.grafana_tag),
                "env": [
                    *({"name": name, "value": value} for name, value in settings.GRAFANA_ENVIRONMENT.items()),
                    {"name": "GF_SECURITY_ADMIN_PASSWORD", "valueFrom": password},
                ],
                "ports": [{"name": "http", "containerPort": GRAFANA_PORT}],
                "readinessProbe": {"httpGet": {"path": "/api/health", "port": GRAFANA_PORT}},
                "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
                "volumeMounts": [
                    # Empty at every start, so that the password is always the one of the secret.
                    mount("data", "/var/lib/grafana"),
                    file("prometheus.yaml", _SOURCES),
                    file("provider.yaml", _PROVIDERS),
                    file("cluster.json", grafana.DASHBOARDS),
                ],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": "grafana"}}, {"name": "data", "emptyDir": {}}],
    }


def _claim(labels: Labels) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata("prometheus", NAMESPACE),
        "spec": {
            "storageClassName": labels.monitoring_storage_class_name,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{settings.volume_size(labels)}Gi"}},
        },
    }


def _service(name: str, port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, NAMESPACE, labels={"app": name}),
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": port, "targetPort": port}]},
    }


def _image(labels: Labels, path: str, name: str, tag: str) -> str:
    return settings.image(labels.container_infra_prefix, path, name, tag)


_RESTRICTED: Object = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_RULES: Sequence[Object] = [
    rule("core", "nodes services endpoints pods", "get list watch"),
    rule("discovery.k8s.io", "endpointslices", "get list watch"),
    rule("core", "nodes/metrics", "get"),
    {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
]
