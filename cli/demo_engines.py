"""What `jeroboam demo` does differently for each engine: its template, and what its client configuration has to hold.

Rule: a configuration is checked as far as simulated nodes allow: no engine answers, so what is verified are addresses,
signatures and that the parts belong together.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.api import Api, ApiError

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True)
class Written:
    """A client configuration on disk. `files`: name -> path; the first one is the main one."""

    files: Mapping[str, Path]
    environment: Mapping[str, str]

    def text(self, name: str) -> str:
        return self.files[name].read_text()


@dataclass(frozen=True, slots=True)
class DemoEngine:
    """Args:
    title: the engine's name in a sentence.
    check: verifies a configuration and returns lines to print; it can read the cluster's authority from the API.
    beta: drivers that have to be enabled for it.
    """

    title: str
    check: Callable[[Api, str, Written], list[str]]
    image: str = "ubuntu-24.04"
    fields: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    beta: Sequence[str] = ()

    def template(self, coe: str) -> dict[str, Any]:
        """The body of the template."""
        return {
            "name": f"{coe}-demo",
            "coe": coe,
            "image_id": self.image,
            "external_network_id": "public",
            "flavor_id": "m1.small",
            "master_flavor_id": "m1.medium",
            "master_lb_enabled": True,
            "floating_ip_enabled": False,
            "labels": {"master_lb_floating_ip_enabled": "true", **self.labels},
            **self.fields,
        }


def checked(engine: DemoEngine, api: Api, cluster: str, written: Written) -> list[str]:
    """Check a cluster's configuration. Raises ApiError: it is incomplete, or its parts do not belong together."""
    from cryptography.exceptions import InvalidSignature

    try:
        return engine.check(api, cluster, written)
    except (KeyError, IndexError, TypeError, ValueError, InvalidSignature) as error:
        raise ApiError(f"the configuration is incomplete or wrong: {error!r}") from error


def _kubernetes(api: Api, cluster: str, written: Written) -> list[str]:
    """A complete kubeconfig."""
    import yaml

    config = yaml.safe_load(written.text("config"))
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(server["certificate-authority-data"])
    client = _client(api, cluster, authority, base64.b64decode(user["client-certificate-data"]))
    return [f"config for {server['server']}, signed by the cluster's CA", _described(client)]


def _swarm(api: Api, cluster: str, written: Written) -> list[str]:
    """Three files and variables for `docker`; the key is that of the certificate."""
    from cryptography.hazmat.primitives import serialization

    client = _client(api, cluster, written.text("ca.pem").encode(), written.text("cert.pem").encode())
    key = serialization.load_pem_private_key(written.text("key.pem").encode(), password=None)
    if key.public_key() != client.public_key():
        raise ApiError("key.pem is not the key of cert.pem")
    host = written.environment["DOCKER_HOST"]
    return [f"DOCKER_HOST={host}, ca.pem, cert.pem and key.pem, signed by the cluster's CA", _described(client)]


def _mesos(api: Api, cluster: str, written: Written) -> list[str]:
    """Two addresses and a credential, the same in each form."""
    described = json.loads(written.text("mesos.json"))
    address = api.get(f"/v1/clusters/{cluster}")["api_address"]
    wanted = ["machine", address, "login", described["principal"], "password", described["secret"]]
    if written.text("netrc").split() != wanted or written.environment["MESOS_SECRET"] != described["secret"]:
        raise ApiError("netrc, mesos.json and the variables do not hold the same credential")
    return [
        f"mesos.json and netrc for {described['mesos']} and {described['marathon']}",
        f"principal {described['principal']}, valid as long as the cluster exists",
    ]


def _dcos(api: Api, cluster: str, written: Written) -> list[str]:
    """A URL and a login token that has not expired."""
    login = json.loads(written.text("login.json"))
    claims = json.loads(base64.urlsafe_b64decode(login["token"].split(".")[1] + "=="))
    until = datetime.fromtimestamp(claims["exp"], UTC)
    if claims["uid"] != login["uid"] or until <= datetime.now(UTC):
        raise ApiError("login.json holds no login token of its user, or one that has expired")
    address = api.get(f"/v1/clusters/{cluster}")["api_address"]
    if written.environment["DCOS_URL"] != f"https://{address}":
        raise ApiError("DCOS_URL is not the address of the cluster")
    return [
        f"DCOS_URL={written.environment['DCOS_URL']} and login.json",
        f"service account {login['uid']}, login token valid until {until:%Y-%m-%d %H:%M} UTC",
    ]


def _client(api: Api, cluster: str, authority_pem: bytes, client_pem: bytes) -> x509.Certificate:
    """A client certificate, verified against its authority, which has to be the cluster's."""
    from cryptography import x509

    authority, client = x509.load_pem_x509_certificate(authority_pem), x509.load_pem_x509_certificate(client_pem)
    client.verify_directly_issued_by(authority)
    if authority != x509.load_pem_x509_certificate(api.get(f"/v1/certificates/{cluster}")["pem"].encode()):
        raise ApiError("the CA certificate in the configuration is not the cluster's")
    return client


def _described(client: x509.Certificate) -> str:
    return f"user {client.subject.rfc4514_string()}, valid until {client.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"


ENGINES: Mapping[str, DemoEngine] = {
    "kubernetes": DemoEngine("Kubernetes", _kubernetes, fields={"network_driver": "flannel"}),
    "swarm": DemoEngine("Docker Swarm", _swarm),
    "mesos": DemoEngine("Mesos", _mesos, fields={"tls_disabled": True}),
    "dcos": DemoEngine(
        "DC/OS",
        _dcos,
        image="dcos-centos-8",
        fields={"tls_disabled": True},
        # Simulated nodes do not fetch it.
        labels={"dcos_generate_config_url": "https://mirror.example.org/dcos_generate_config.sh"},
        beta=("dcos",),
    ),
}
