"""The certificates kubeadm and the cluster's API make, really signed, for a machine whose kubeadm only writes down.

Run as a program by the machine's own programs: `kubernetes_leaves.py start|renew|sign ROOT [curl's arguments]`.
"""

from __future__ import annotations

import base64
import itertools
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jeroboam.driver import NodeCertificate, Secret, make_client_certificate
from shared.pki.authority import KeyMaterial
from shared.pki.signing import sign_node_request

LEAVES = {
    "ca": ("apiserver", "apiserver-kubelet-client"),
    "etcd/ca": ("etcd/server", "etcd/peer", "etcd/healthcheck-client", "apiserver-etcd-client"),
    "front-proxy-ca": ("front-proxy-client",),
}
KUBECONFIGS = ("admin", "super-admin", "controller-manager", "scheduler")
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def authority(directory: Path, name: str) -> KeyMaterial:
    return KeyMaterial((directory / f"{name}.crt").read_text(), (directory / f"{name}.key").read_text())


def leaf(signer: KeyMaterial, name: str) -> KeyMaterial:
    now, lifetime = datetime.now(UTC), timedelta(days=1)
    made = make_client_certificate(
        Secret(signer.public, signer.private), user=name, groups=["test"], now=now, lifetime=lifetime
    )
    return KeyMaterial(made.certificate or "", made.secret)


def first(bundle: str) -> str:
    """kubeadm knows of one certificate in a file."""
    end = "-----END CERTIFICATE-----\n"
    return bundle[: bundle.index(end) + len(end)]


def kubeconfig(signer: KeyMaterial, name: str) -> str:
    client = leaf(signer, name)
    values = {
        "certificate-authority-data": first(signer.public),
        "client-certificate-data": client.public,
        "client-key-data": client.private,
    }
    return "".join(f"    {key}: {base64.b64encode(value.encode()).decode()}\n" for key, value in values.items())


def renew(root: Path) -> None:
    pki = root / "etc/kubernetes/pki"
    for name, leaves in LEAVES.items():
        for each in leaves:
            made = leaf(authority(pki, name), each)
            (pki / f"{each}.crt").write_text(made.public)
            (pki / f"{each}.key").write_text(made.private)
    for name in KUBECONFIGS:
        (pki.parent / f"{name}.conf").write_text(kubeconfig(authority(pki, "ca"), name))


def start(root: Path, *, master: bool) -> None:
    """What `kubeadm init` and `kubeadm join` leave behind."""
    kubernetes = root / "etc/kubernetes"
    kubelet = root / "var/lib/kubelet/pki"
    kubelet.mkdir(parents=True, exist_ok=True)
    if master:
        renew(root)
        for component in COMPONENTS:
            text = f"metadata:\n  labels:\n    component: {component}\n    tier: control-plane\n"
            (kubernetes / f"manifests/{component}.yaml").write_text(text)
        trusted = (kubernetes / "pki/ca.crt").read_text()
        signer = kubernetes / "pki", "ca"
    else:
        # A worker has no key to sign with; what the cluster gave it is what its bootstrap says.
        trusted = (root / "etc/jeroboam/pki/ca.crt").read_text()
        (kubernetes / "pki").mkdir(exist_ok=True)
        (kubernetes / "pki/ca.crt").write_text(trusted)
        signer = root.parent, "signer"
    if (signer[0] / f"{signer[1]}.key").exists():
        client = leaf(authority(*signer), "kubelet")
        (kubelet / "kubelet-client-2026-01-01-00-00-00.pem").write_text(client.public + client.private)
    current = kubelet / "kubelet-client-current.pem"
    current.unlink(missing_ok=True)
    current.symlink_to("kubelet-client-2026-01-01-00-00-00.pem")
    data = base64.b64encode(trusted.encode()).decode()
    (kubernetes / "kubelet.conf").write_text(f"    certificate-authority-data: {data}\n")


def sign(root: Path, arguments: Sequence[str]) -> None:
    """What the API answers: the request signed with the authority in `signer.crt` and `signer.key`."""
    given = dict(itertools.pairwise(arguments))
    csr = json.loads(Path(given["--data-binary"].removeprefix("@")).read_text())["csr"]
    made = sign_node_request(
        csr,
        authority(root.parent, "signer"),
        NodeCertificate("kubernetes", "system:node:k8s-node", ["system:nodes"]),
        node_name="k8s-node",
        addresses=[],
        now=datetime.now(UTC),
    )
    Path(given["--output"]).write_text(made)


if __name__ == "__main__":
    what, machine = sys.argv[1], Path(sys.argv[2])
    if what == "sign":
        sign(machine, sys.argv[3:])
    elif what == "renew":
        renew(machine)
    else:
        start(machine, master=(machine / "etc/jeroboam/pki/ca.key").exists())
