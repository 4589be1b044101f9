"""Examples of request bodies for the OpenAPI document.

Rule: each example is accepted unchanged if the resources that it names exist; a test sends all of them.
"""

from __future__ import annotations

from typing import Any

_CSR = "-----BEGIN CERTIFICATE REQUEST-----\n...\n-----END CERTIFICATE REQUEST-----\n"

EXAMPLES: dict[tuple[str, str], Any] = {
    ("post", "/v1/clustertemplates"): {
        "name": "k8s",
        "coe": "kubernetes",
        "image_id": "ubuntu-24.04",
        "external_network_id": "public",
        "flavor_id": "m1.small",
        "master_flavor_id": "m1.small",
        "master_lb_enabled": True,
        "floating_ip_enabled": False,
        "labels": {"kube_tag": "v1.34.2"},
    },
    ("patch", "/v1/clustertemplates/{template_id}"): [{"op": "replace", "path": "/name", "value": "k8s-2"}],
    ("post", "/v1/clusters"): {
        "name": "demo",
        "cluster_template_id": "k8s",
        "master_count": 3,
        "node_count": 5,
        "create_timeout": 60,
    },
    ("patch", "/v1/clusters/{cluster_id}"): [{"op": "replace", "path": "/node_count", "value": 6}],
    ("post", "/v1/clusters/{cluster_id}/actions/resize"): {"node_count": 4, "nodegroup": "default-worker"},
    ("post", "/v1/clusters/{cluster_id}/actions/upgrade"): {"cluster_template": "k8s", "max_batch_size": 2},
    ("post", "/v1/clusters/{cluster_id}/nodegroups"): {
        "name": "large",
        "node_count": 2,
        "flavor_id": "m1.small",
        "node_labels": {"example.org/size": "large"},
    },
    ("patch", "/v1/clusters/{cluster_id}/nodegroups/{nodegroup_id}"): [
        {"op": "replace", "path": "/max_node_count", "value": 10}
    ],
    ("post", "/v1/certificates"): {"cluster_uuid": "demo", "csr": _CSR, "ca_cert_type": "kubernetes"},
    ("post", "/v1/federations"): {"name": "eu", "hostcluster_id": "demo", "properties": {"dns-zone": "example.org."}},
    ("post", "/v1/webhooks"): {
        "name": "ci",
        "url": "https://hooks.example.com/jeroboam",
        "event_types": ["cluster.*.completed", "node.failed"],
    },
    ("patch", "/v1/webhooks/{webhook_id}"): [{"op": "replace", "path": "/enabled", "value": False}],
    ("post", "/v1/webhooks/{webhook_id}/redeliver"): {"since": "2026-11-25T10:00:00Z"},
    ("post", "/v1/prometheus/tokens"): {"name": "monitoring"},
    ("post", "/v1/quotas"): {"project_id": "demo", "resource": "Cluster", "hard_limit": 10},
    ("patch", "/v1/quotas/{project_id}/{resource}"): {"hard_limit": 12},
}
