"""The cluster's certificates and keys as files for masters and workers.

Rule: only masters get private keys of authorities. They are stored beside the bootstrap and copied to kubeadm's
directory, because a `kubeadm reset` after a failed attempt empties that directory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from jeroboam.driver import Secret

DIRECTORY = "/etc/jeroboam/pki"
_AUTHORITIES = {"kubernetes": "ca", "etcd": "etcd/ca", "front_proxy": "front-proxy-ca"}


def master_files(secrets: Mapping[str, Secret]) -> list[dict[str, str]]:
    """Authorities and the service account key, with the names that kubeadm expects."""
    files = []
    for name, path in _AUTHORITIES.items():
        files += _pair(secrets[name], f"{DIRECTORY}/{path}.crt", f"{DIRECTORY}/{path}.key")
    return files + _pair(secrets["service_account"], f"{DIRECTORY}/sa.pub", f"{DIRECTORY}/sa.key")


def worker_files(secrets: Mapping[str, Secret]) -> list[dict[str, str]]:
    """The certificates that a worker trusts, without keys."""
    certificate = secrets["kubernetes"].certificate
    assert certificate is not None
    return [{"path": f"{DIRECTORY}/ca.crt", "content": certificate, "mode": "0644"}]


def _pair(secret: Secret, public: str, private: str) -> list[dict[str, str]]:
    assert secret.certificate is not None
    return [
        {"path": public, "content": secret.certificate, "mode": "0644"},
        {"path": private, "content": secret.secret, "mode": "0600"},
    ]


def authority_hash(secrets: Mapping[str, Secret]) -> str:
    """The hash of the signing Kubernetes CA for `kubeadm join`: SHA-256 of its public key, `sha256:<hex>`."""
    pem = secrets["kubernetes"].certificate
    assert pem is not None
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(der).hexdigest()}"
