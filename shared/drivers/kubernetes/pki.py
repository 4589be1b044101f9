"""The cluster's keys as files, and what of them a worker may know.

Rule: private keys of authorities go to masters only. They are laid beside the bootstrap and copied from there to where
kubeadm looks, because a `kubeadm reset` of a half-made node empties that directory.
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
    """Authorities and the service accounts' key under the names kubeadm expects."""
    files = []
    for name, path in _AUTHORITIES.items():
        files += _pair(secrets[name], f"{DIRECTORY}/{path}.crt", f"{DIRECTORY}/{path}.key")
    return files + _pair(secrets["service_account"], f"{DIRECTORY}/sa.pub", f"{DIRECTORY}/sa.key")


def worker_files(secrets: Mapping[str, Secret]) -> list[dict[str, str]]:
    """What a worker trusts, and no key."""
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
    """The Kubernetes CA that signs, as `kubeadm join` pins it: SHA-256 over its public key, `sha256:<hex>`."""
    pem = secrets["kubernetes"].certificate
    assert pem is not None
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(der).hexdigest()}"
