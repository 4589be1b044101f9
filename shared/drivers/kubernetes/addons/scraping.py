"""What Prometheus scrapes in a Kubernetes cluster.

Source: Prometheus' documentation of `kubernetes_sd_configs` and of relabelling.
"""

from __future__ import annotations

from typing import Any

from shared.drivers.monitoring.settings import NODE_EXPORTER_PORT

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN = {"authorization": {"type": "Bearer", "credentials_file": f"{_ACCOUNT}/token"}}
_ANNOTATION = "__meta_kubernetes_pod_annotation_prometheus_io"
Job = dict[str, Any]


def jobs() -> list[Job]:
    """Nodes, kubelets, their cAdvisors, API servers, and pods that ask for it by annotations."""
    return [
        _of_nodes("node-exporter", relabel_configs=[_replace("__address__", r"(.+):\d+", f"$1:{NODE_EXPORTER_PORT}")]),
        _of_nodes("kubelet", **_KUBELET),
        _of_nodes("cadvisor", metrics_path="/metrics/cadvisor", **_KUBELET),
        {
            "job_name": "apiserver",
            "scheme": "https",
            "kubernetes_sd_configs": [{"role": "endpoints", "namespaces": {"names": ["default"]}}],
            "tls_config": {"ca_file": f"{_ACCOUNT}/ca.crt"},
            **_TOKEN,
            "relabel_configs": [
                {
                    "source_labels": ["__meta_kubernetes_service_name", "__meta_kubernetes_endpoint_port_name"],
                    "regex": "kubernetes;https",
                    "action": "keep",
                }
            ],
        },
        {
            "job_name": "pods",
            "kubernetes_sd_configs": [{"role": "pod"}],
            "relabel_configs": [
                {"source_labels": [f"{_ANNOTATION}_scrape"], "regex": "true", "action": "keep"},
                {"source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Succeeded|Failed", "action": "drop"},
                {"source_labels": [f"{_ANNOTATION}_path"], "regex": "(.+)", "target_label": "__metrics_path__"},
                {
                    "source_labels": ["__meta_kubernetes_pod_ip", f"{_ANNOTATION}_port"],
                    "regex": r"([^;]+);(\d+)",
                    "target_label": "__address__",
                    "replacement": "$1:$2",
                },
                {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
            ],
        },
    ]


_KUBELET: Job = {"scheme": "https", "tls_config": {"insecure_skip_verify": True}, **_TOKEN}


def _of_nodes(name: str, *, relabel_configs: list[Job] | None = None, **more: Any) -> Job:
    """A job with one target for each node, called by the node's name."""
    named = {"source_labels": ["__meta_kubernetes_node_name"], "target_label": "instance"}
    return {
        "job_name": name,
        "kubernetes_sd_configs": [{"role": "node"}],
        **more,
        "relabel_configs": [*(relabel_configs or []), named],
    }


def _replace(label: str, regex: str, replacement: str) -> Job:
    return {"source_labels": [label], "regex": regex, "target_label": label, "replacement": replacement}
