"""The cluster's certificates and keys as files for masters and workers.

Rule: only masters get private keys of authorities. They are stored beside the bootstrap and copied to kubeadm's
directory, because a `kubeadm reset` after a failed attempt empties that directory.
"""

from __future__ import annotations

from collections.abc import Mapping

from jeroboam.driver import Secret

DIRECTORY = "/etc/jeroboam/pki"
# The secret from which passwords are derived: the masters' VRRP, Grafana's administrator. It is never replaced.
PASSWORDS = "passwords"
_AUTHORITIES = {"kubernetes": "ca", "etcd": "etcd/ca", "front_proxy": "front-proxy-ca"}


def master_files(secrets: Mapping[str, Secret]) -> list[dict[str, str]]:
    """Authorities and the service accounts' keys, with the names that kubeadm expects.

    API servers accept tokens of all keys in `sa.pub`; `sa.key` signs.
    """
    files = []
    for name, path in _AUTHORITIES.items():
        files += _pair(secrets[name], f"{DIRECTORY}/{path}.crt", f"{DIRECTORY}/{path}.key")
    return files + _pair(secrets["service_account"], f"{DIRECTORY}/sa.pub", f"{DIRECTORY}/sa.key")


def worker_files(secrets: Mapping[str, Secret]) -> list[dict[str, str]]:
    """The certificates that a worker trusts, and the public keys of service accounts, without private keys."""
    public = {"ca.crt": secrets["kubernetes"].certificate, "sa.pub": secrets["service_account"].certificate}
    return [{"path": f"{DIRECTORY}/{name}", "content": pem or "", "mode": "0644"} for name, pem in public.items()]


def _pair(secret: Secret, public: str, private: str) -> list[dict[str, str]]:
    assert secret.certificate is not None
    return [
        {"path": public, "content": secret.certificate, "mode": "0644"},
        {"path": private, "content": secret.secret, "mode": "0600"},
    ]
