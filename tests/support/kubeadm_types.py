"""kubeadm's documented configuration types, v1beta4, strict: an unknown or misspelt field is an error.

Written from kubeadm's configuration reference, with the kubelet's and kube-proxy's fields that we use. Durations are
Go's (`1h0m0s`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Duration = Annotated[str, StringConstraints(pattern=r"^(0|([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+)$")]
Token = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{6}\.[a-z0-9]{16}$")]
Cidr = Annotated[str, StringConstraints(pattern=r"^[0-9.]+/[0-9]{1,2}$")]
HostPort = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$")]
Group = Annotated[str, StringConstraints(pattern=r"^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$")]
API = Literal["kubeadm.k8s.io/v1beta4"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Arg(Strict):
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    value: str


class EnvVar(Strict):
    name: str
    value: str | None = None
    valueFrom: dict[str, Any] | None = None


class HostPathMount(Strict):
    name: str
    hostPath: str
    mountPath: str
    readOnly: bool = False
    pathType: str | None = None


class Taint(Strict):
    key: str
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    timeAdded: str | None = None


class Timeouts(Strict):
    controlPlaneComponentHealthCheck: Duration | None = None
    kubeletHealthCheck: Duration | None = None
    kubernetesAPICall: Duration | None = None
    etcdAPICall: Duration | None = None
    tlsBootstrap: Duration | None = None
    discovery: Duration | None = None
    upgradeManifests: Duration | None = None


class Patches(Strict):
    directory: str | None = None


class BootstrapToken(Strict):
    token: Token | None = None  # kubeadm makes one
    description: str | None = None
    ttl: Duration | None = None
    expires: str | None = None
    usages: list[Literal["signing", "authentication"]] | None = None
    groups: list[Group] | None = None


class NodeRegistration(Strict):
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
    criSocket: Annotated[str, StringConstraints(pattern=r"^unix:///")] | None = None
    taints: list[Taint] | None = None
    kubeletExtraArgs: list[Arg] | None = None
    ignorePreflightErrors: list[str] | None = None
    imagePullPolicy: Literal["Always", "IfNotPresent", "Never"] | None = None
    imagePullSerial: bool | None = None


class LocalEndpoint(Strict):
    advertiseAddress: str | None = None
    bindPort: int | None = Field(default=None, ge=1, le=65535)


class InitConfiguration(Strict):
    apiVersion: API
    kind: Literal["InitConfiguration"]
    bootstrapTokens: list[BootstrapToken] | None = None
    dryRun: bool | None = None
    nodeRegistration: NodeRegistration
    localAPIEndpoint: LocalEndpoint | None = None
    certificateKey: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    skipPhases: list[str] | None = None
    patches: Patches | None = None
    timeouts: Timeouts | None = None


class Component(Strict):
    extraArgs: list[Arg] | None = None
    extraVolumes: list[HostPathMount] | None = None
    extraEnvs: list[EnvVar] | None = None


class ApiServer(Component):
    certSANs: list[str] | None = None


class LocalEtcd(Strict):
    imageRepository: str | None = None
    imageTag: str | None = None
    dataDir: str | None = None
    extraArgs: list[Arg] | None = None
    extraEnvs: list[EnvVar] | None = None
    serverCertSANs: list[str] | None = None
    peerCertSANs: list[str] | None = None


class ExternalEtcd(Strict):
    endpoints: list[str]
    caFile: str
    certFile: str
    keyFile: str
    httpEndpoints: list[str] | None = None


class Etcd(Strict):
    local: LocalEtcd | None = None
    external: ExternalEtcd | None = None


class Networking(Strict):
    serviceSubnet: Cidr | None = None
    podSubnet: Cidr | None = None
    dnsDomain: str | None = None


class Dns(Strict):
    imageRepository: str | None = None
    imageTag: str | None = None
    disabled: bool | None = None


class Proxy(Strict):
    disabled: bool | None = None


class ClusterConfiguration(Strict):
    apiVersion: API
    kind: Literal["ClusterConfiguration"]
    etcd: Etcd | None = None
    networking: Networking | None = None
    kubernetesVersion: Annotated[str, StringConstraints(pattern=r"^v1\.[0-9]+\.[0-9]+$")]
    controlPlaneEndpoint: HostPort | None = None
    apiServer: ApiServer | None = None
    controllerManager: Component | None = None
    scheduler: Component | None = None
    dns: Dns | None = None
    proxy: Proxy | None = None
    certificatesDir: str | None = None
    encryptionAlgorithm: Literal["RSA-2048", "RSA-3072", "RSA-4096", "ECDSA-P256"] | None = None
    imageRepository: Annotated[str, StringConstraints(pattern=r"^[^/].*[^/]$")] | None = None
    featureGates: dict[str, bool] | None = None
    clusterName: str | None = None
    certificateValidityPeriod: Duration | None = None
    caCertificateValidityPeriod: Duration | None = None


class BootstrapTokenDiscovery(Strict):
    token: Token
    apiServerEndpoint: HostPort
    caCertHashes: list[Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]] | None = None
    unsafeSkipCAVerification: bool | None = None


class FileDiscovery(Strict):
    kubeConfigPath: str


class Discovery(Strict):
    bootstrapToken: BootstrapTokenDiscovery | None = None
    file: FileDiscovery | None = None
    tlsBootstrapToken: str | None = None


class JoinControlPlane(Strict):
    localAPIEndpoint: LocalEndpoint | None = None
    certificateKey: str | None = None


class JoinConfiguration(Strict):
    apiVersion: API
    kind: Literal["JoinConfiguration"]
    dryRun: bool | None = None
    nodeRegistration: NodeRegistration
    caCertPath: str | None = None
    discovery: Discovery
    controlPlane: JoinControlPlane | None = None
    skipPhases: list[str] | None = None
    patches: Patches | None = None
    timeouts: Timeouts | None = None


class KubeletConfiguration(Strict):
    apiVersion: Literal["kubelet.config.k8s.io/v1beta1"]
    kind: Literal["KubeletConfiguration"]
    cgroupDriver: Literal["systemd", "cgroupfs"]
    clusterDNS: list[str]
    clusterDomain: str
    rotateCertificates: bool


class KubeProxyConfiguration(Strict):
    apiVersion: Literal["kubeproxy.config.k8s.io/v1alpha1"]
    kind: Literal["KubeProxyConfiguration"]
    mode: Literal["iptables", "ipvs", "nftables"]
    clusterCIDR: Cidr


_TYPES: dict[str, type[Strict]] = {
    model.__name__: model
    for model in (
        InitConfiguration,
        ClusterConfiguration,
        JoinConfiguration,
        KubeletConfiguration,
        KubeProxyConfiguration,
    )
}


def read(text: str) -> dict[str, Any]:
    """Every document of a kubeadm configuration file by its kind, checked.

    Raises:
        pydantic.ValidationError: a field that kubeadm does not know, or a value it would refuse.
    """
    found: dict[str, Any] = {}
    for document in yaml.safe_load_all(text):
        kind = document["kind"]
        assert kind not in found, f"two documents of kind {kind}"
        found[kind] = _TYPES[kind].model_validate(document)
    return found
