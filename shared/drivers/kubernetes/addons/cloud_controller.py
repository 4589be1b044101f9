"""The OpenStack cloud controller: node addresses, and load balancers for services.

Rule: the credential is the cluster's own restricted application credential, stored in one Secret. The controller runs
on masters only.
Source: cloud-provider-openstack's documented options and cloud.conf.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jeroboam.driver import BootstrapContext
from shared.drivers.kubernetes.addons.objects import (
    ON_MASTERS,
    SYSTEM,
    TOLERATE_MASTERS,
    TOLERATE_NEW_NODES,
    Object,
    account,
    image,
    metadata,
    mount,
    rule,
    workload,
)
from shared.drivers.kubernetes.labels import Labels

SECRET = "cloud-config"  # noqa: S105 - a name
DIRECTORY = "/etc/config"
_NAME = "openstack-cloud-controller-manager"
_ROLE = "system:cloud-controller-manager"


def render(context: BootstrapContext, labels: Labels) -> list[Object]:
    return [
        *account("cloud-controller-manager", SYSTEM, _ROLE, _RULES),
        workload("DaemonSet", _NAME, SYSTEM, _pod(context, labels), reads=cloud_conf(context, labels)),
    ]


def secret(context: BootstrapContext, labels: Labels) -> Object:
    """cloud.conf, for the cloud controller and the CSI driver."""
    data = {"cloud.conf": cloud_conf(context, labels)}
    if context.cloud_config.get("ca_pem"):
        data["ca.pem"] = context.cloud_config["ca_pem"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(SECRET, SYSTEM),
        "type": "Opaque",
        "stringData": data,
    }


def cloud_conf(context: BootstrapContext, labels: Labels) -> str:
    """The credential of the add-ons, and their settings for load balancers and volumes."""
    given, cluster, outputs = context.cloud_config, context.cluster, context.base_outputs
    identity = {
        "auth-url": given["auth_url"],
        "application-credential-id": given["application_credential_id"],
        "application-credential-secret": given["application_credential_secret"],
        "region": given.get("region"),
        "ca-file": f"{DIRECTORY}/ca.pem" if given.get("ca_pem") else None,
    }
    balancers = {
        "enabled": "true" if cluster.load_balancer else "false",
        "subnet-id": outputs.get("subnet_id"),
        "floating-network-id": cluster.external_network_id,
        "lb-provider": labels.octavia_provider,
        "lb-method": labels.load_balancer_algorithm,
        "create-monitor": "true" if labels.octavia_lb_healthcheck else None,
    }
    # Availability zones of Cinder and Nova often have different names.
    volumes = {"ignore-volume-az": "true"}
    return _section("Global", identity) + _section("LoadBalancer", balancers) + _section("BlockStorage", volumes)


def _section(name: str, values: Mapping[str, str | None]) -> str:
    lines = [f"{key} = {_quoted(str(value))}\n" for key, value in values.items() if value]
    return f"[{name}]\n{''.join(lines)}\n"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pod(context: BootstrapContext, labels: Labels) -> Object:
    tag = labels.cloud_provider_tag or f"{labels.minor}.0"
    return {
        "hostNetwork": True,
        "securityContext": {"runAsUser": 1001},
        "nodeSelector": ON_MASTERS,
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": "cloud-controller-manager",
        "tolerations": [
            TOLERATE_NEW_NODES,
            TOLERATE_MASTERS,
            {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"},
        ],
        "containers": [
            {
                "name": "cloud-controller-manager",
                "image": image(labels.container_infra_prefix, _NAME, tag, path="provider-os/"),
                "args": [
                    f"/bin/{_NAME}",
                    "--v=1",
                    # The names of load balancers contain it, so that a delete finds those of the cluster.
                    f"--cluster-name={context.cluster.uuid}",
                    f"--cloud-config={DIRECTORY}/cloud.conf",
                    "--cloud-provider=openstack",
                    "--use-service-account-credentials=false",
                    "--bind-address=127.0.0.1",
                ],
                "resources": {"requests": {"cpu": "100m"}},
                "volumeMounts": [mount("cloud-config", DIRECTORY, readOnly=True)],
            }
        ],
        "volumes": [{"name": "cloud-config", "secret": {"secretName": SECRET}}],
    }


_RULES: Sequence[Object] = [
    rule("coordination.k8s.io", "leases", "get create update"),
    rule("core", "events", "create patch update"),
    rule("core", "nodes", "get list watch create update patch delete"),
    rule("core", "nodes/status", "patch"),
    rule("core", "services", "get list watch update patch"),
    rule("core", "services/status", "update patch"),
    rule("core", "serviceaccounts", "create get"),
    rule("core", "serviceaccounts/token", "create"),
    rule("core", "persistentvolumes", "get list watch update"),
    rule("core", "endpoints", "create get list watch update"),
    rule("discovery.k8s.io", "endpointslices", "get list watch"),
    rule("core", "configmaps", "get list watch"),
    rule("core", "secrets", "get list watch"),
]
