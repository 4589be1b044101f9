"""A member follows its cluster's authorities: real keys, real openssl, programs that only write down."""

from __future__ import annotations

import base64
import json
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from jeroboam.driver import Bootstrap, Secret
from jeroboam.testing.cases import Case, make_case
from shared.pki.authority import KeyMaterial
from tests.support.ca_phases import FILES, key_id, secrets_in, successor, successor_key
from tests.support.kubernetes import driver, engine
from tests.support.kubernetes_leaves import COMPONENTS, KUBECONFIGS, LEAVES
from tests.support.node_machine import NodeMachine

MASTER, WORKER = 0, 4
NEW = {name: successor(name) for name in FILES}


@pytest.fixture
def machine(tmp_path: Path) -> NodeMachine:
    return NodeMachine(tmp_path)


@pytest.fixture
def case() -> Case:
    return make_case(driver, "octavia")


def follow(machine: NodeMachine, case: Case, place: int, phase: str, *, part: bool = True) -> None:
    """Run the bootstrap the node gets in a phase, and have requests signed as the API would then."""
    output(machine, case, place, phase, part=part)


def output(machine: NodeMachine, case: Case, place: int, phase: str, *, part: bool = True) -> str:
    """The same, and what it printed."""
    secrets = secrets_in(case, phase)
    context = case.joined(MASTER).context(case.nodes[place])
    found = engine.bootstrap(replace(context, secrets=secrets))
    assert isinstance(found, Bootstrap)
    authority = secrets["kubernetes"]
    (machine.root.parent / "signer.crt").write_text(authority.certificate or "")
    (machine.root.parent / "signer.key").write_text(authority.secret)
    done = machine.run(found, **({"part": "certificates"} if part else {}))
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def signed_by(certificate: str, issuer: KeyMaterial | Secret) -> bool:
    public = issuer.public if isinstance(issuer, KeyMaterial) else issuer.certificate
    assert public is not None
    try:
        signer = x509.load_pem_x509_certificate(public.encode())
        x509.load_pem_x509_certificate(certificate.encode()).verify_directly_issued_by(signer)
    except Exception:
        return False
    return True


def data(machine: NodeMachine, file: str, key: str) -> str:
    found = re.search(rf"{key}: *(\S+)", machine.text(f"etc/kubernetes/{file}.conf"))
    assert found, file
    return base64.b64decode(found[1]).decode()


def kubelet(machine: NodeMachine) -> str:
    return machine.text("var/lib/kubelet/pki/kubelet-client-current.pem")


def leaves(machine: NodeMachine) -> dict[str, tuple[str, str]]:
    """Every certificate of the control plane: where -> (authority, PEM)."""
    names = {file: name for name, file in FILES.items()}
    found = {
        each: (names[file], machine.text(f"etc/kubernetes/pki/{each}.crt"))
        for file, made in LEAVES.items()
        for each in made
    }
    return found | {name: ("kubernetes", data(machine, name, "client-certificate-data")) for name in KUBECONFIGS}


def test_a_master_goes_through_all_phases(machine: NodeMachine, case: Case) -> None:
    follow(machine, case, MASTER, "before", part=False)
    before = leaves(machine)
    assert all(signed_by(pem, case.secrets[name]) for name, pem in before.values())

    follow(machine, case, MASTER, "trust")
    assert leaves(machine) == before, "nobody shows anything new yet"
    assert not machine.called("kubeadm certs")
    assert "systemctl restart kubelet" in machine.calls
    both = machine.text("etc/kubernetes/pki/ca.crt")
    assert both == f"{case.secrets['kubernetes'].certificate}{NEW['kubernetes'].public}"
    for name in (*KUBECONFIGS, "kubelet"):
        assert data(machine, name, "certificate-authority-data") == both
    signing = machine.text("etc/kubernetes/pki/ca-signing.crt")
    assert signing == case.secrets["kubernetes"].certificate, "the controller manager takes one alone"
    assert base64.b64encode(both.encode()).decode() in (machine.fake / "announced").read_text()
    marks = {machine.text(f"etc/kubernetes/manifests/{name}.yaml") for name in COMPONENTS}
    assert all(text.count("jeroboam-certificates: ") == 1 for text in marks)

    old_key, new_key = case.secrets["service_account"], successor_key()
    assert machine.text("etc/kubernetes/pki/sa.pub") == f"{old_key.certificate}{new_key.public}"
    assert machine.text("etc/kubernetes/pki/sa.key") == old_key.secret

    follow(machine, case, MASTER, "keys")
    assert leaves(machine) == before
    assert machine.text("etc/kubernetes/pki/sa.pub") == f"{new_key.public}{old_key.certificate}"
    assert machine.text("etc/kubernetes/pki/sa.key") == new_key.private
    with_keys = {machine.text(f"etc/kubernetes/manifests/{name}.yaml") for name in COMPONENTS}
    assert not marks & with_keys, "the API server reads the file when it starts"
    marks = with_keys

    follow(machine, case, MASTER, "sign")
    assert machine.called("kubeadm certs") == ["kubeadm certs renew all"]
    assert all(signed_by(pem, NEW[name]) for name, pem in leaves(machine).values())
    assert signed_by(kubelet(machine), NEW["kubernetes"])
    both = machine.text("etc/kubernetes/pki/ca.crt")
    assert both == f"{NEW['kubernetes'].public}{case.secrets['kubernetes'].certificate}"
    for name in (*KUBECONFIGS, "kubelet"):
        assert data(machine, name, "certificate-authority-data") == both, "kubeadm itself writes the first one only"
    assert machine.text("etc/kubernetes/pki/ca-signing.crt") == NEW["kubernetes"].public
    assert not marks & {machine.text(f"etc/kubernetes/manifests/{name}.yaml") for name in COMPONENTS}
    signed = leaves(machine)

    follow(machine, case, MASTER, "forget")
    assert machine.text("etc/kubernetes/pki/ca.crt") == NEW["kubernetes"].public
    assert leaves(machine) == signed
    for name in (*KUBECONFIGS, "kubelet"):
        assert data(machine, name, "certificate-authority-data") == NEW["kubernetes"].public
    assert machine.text("etc/kubernetes/pki/sa.key") == new_key.private
    assert machine.text("etc/kubernetes/pki/sa.pub") == new_key.public

    follow(machine, case, MASTER, "forget")
    assert "systemctl restart kubelet" not in machine.calls, "where nothing differs nothing happens"


def test_a_worker_gets_no_key_and_a_certificate_from_the_api(machine: NodeMachine, case: Case) -> None:
    follow(machine, case, WORKER, "before", part=False)
    old = kubelet(machine)
    follow(machine, case, WORKER, "trust")
    assert kubelet(machine) == old
    assert data(machine, "kubelet", "certificate-authority-data").count("BEGIN CERTIFICATE") == 2
    follow(machine, case, WORKER, "sign")
    assert signed_by(kubelet(machine), NEW["kubernetes"])
    current = machine.root / "var/lib/kubelet/pki/kubelet-client-current.pem"
    assert current.is_symlink(), "the kubelet itself insists on it"
    assert stat.S_IMODE(current.stat().st_mode) == 0o600
    subject = x509.load_pem_x509_certificate(kubelet(machine).encode()).subject.rfc4514_string()
    assert subject == "CN=system:node:k8s-node,O=system:nodes"
    follow(machine, case, WORKER, "forget")
    assert machine.text("etc/kubernetes/pki/ca.crt") == NEW["kubernetes"].public
    assert not list((machine.root / "etc/kubernetes/pki").rglob("*.key"))
    assert not machine.called("kubeadm certs")
    assert not machine.called("kubectl replace")


def test_the_token_of_earlier_versions_is_deleted(machine: NodeMachine, case: Case) -> None:
    follow(machine, case, MASTER, "before", part=False)
    assert not machine.called("kubectl -n kube-system delete")
    machine.set("join-tokens", "bootstrap-token-abcdef")
    follow(machine, case, MASTER, "trust")
    (found,) = machine.called("kubectl -n kube-system get secrets")
    described = re.search(r'description=="(\S+)"', found)
    assert described and base64.b64decode(described[1]) == b"Jeroboam: used by nodes to join this cluster"
    assert machine.called("kubectl -n kube-system delete") == [
        "kubectl -n kube-system delete secret --ignore-not-found bootstrap-token-abcdef"
    ]


def token(public: str) -> str:
    """A token of service accounts, as far as anybody reads it here."""
    header = json.dumps({"alg": "ES256", "kid": key_id(public)}, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(header).decode().rstrip("=") + ".e30.c2lnbmF0dXJl"


def test_a_round_ends_when_pods_have_tokens_of_the_new_key(machine: NodeMachine, case: Case) -> None:
    old, new = case.secrets["service_account"].certificate or "", successor_key().public
    volume = machine.root / "var/lib/kubelet/pods/some-pod/volumes/kubernetes.io~projected/kube-api-access"
    volume.mkdir(parents=True)
    (volume / "namespace").write_text("default")
    (volume / "token").write_text(token(old))
    follow(machine, case, WORKER, "before", part=False)
    assert "old key" not in output(machine, case, WORKER, "trust"), "it is the key that signs"
    assert f"pods still have a token of an old key: {volume}/token" in output(machine, case, WORKER, "sign")
    (volume / "token").write_text(token(new))
    (machine.root / "var/lib/jeroboam/authorities-unfinished").touch()
    assert "old key" not in output(machine, case, WORKER, "sign")


def test_what_was_cut_off_is_finished_the_next_time(machine: NodeMachine, case: Case) -> None:
    follow(machine, case, MASTER, "before", part=False)
    machine.set("pods-ready", "False")
    with pytest.raises(AssertionError, match="etcd did not become ready with the new certificates"):
        follow(machine, case, MASTER, "sign")
    machine.set("pods-ready", "True")
    follow(machine, case, MASTER, "sign")
    assert not machine.called("kubeadm certs"), "what is renewed is not renewed again"
    assert machine.called("kubectl replace")
    follow(machine, case, MASTER, "sign")
    assert not machine.called("kubectl replace")


def test_a_renewal_cut_off_in_its_middle_is_done_again(machine: NodeMachine, case: Case) -> None:
    follow(machine, case, MASTER, "before", part=False)
    old = machine.text("etc/kubernetes/scheduler.conf")
    machine.set("pods-ready", "False")
    with pytest.raises(AssertionError):
        follow(machine, case, MASTER, "sign")
    (machine.root / "etc/kubernetes/scheduler.conf").write_text(old)
    machine.set("pods-ready", "True")
    follow(machine, case, MASTER, "sign")
    assert machine.called("kubeadm certs") == ["kubeadm certs renew all"]
    assert all(signed_by(pem, NEW[name]) for name, pem in leaves(machine).values())


def test_a_part_nobody_knows_is_refused(machine: NodeMachine, case: Case) -> None:
    found = engine.bootstrap(case.context(case.nodes[MASTER]))
    assert isinstance(found, Bootstrap)
    failed = machine.run(found, part="engine")
    assert failed.returncode != 0
    assert "unknown part engine" in failed.stderr
    refused = machine.run(found, part="certificates")
    assert "this node is not a member of its cluster" in refused.stderr


def test_pods_are_started_anew_once_they_get_the_new_authorities(machine: NodeMachine, case: Case) -> None:
    follow(machine, case, MASTER, "before", part=False)
    machine.set("published", "somebody else's")
    machine.set("deployments", "shop web 2 2 2\nshop broken 1 1 1\nshop paused 1 1 1")
    machine.set("daemonsets", "kube-system kube-proxy")
    failed = machine.command("restart-workloads", timeout=60)
    assert failed.returncode != 0
    assert "pods cannot get the cluster's authorities: the ConfigMap kube-root-ca.crt has the old ones" in failed.stderr
    machine.set("published", machine.text("etc/kubernetes/pki/ca.crt").strip())
    machine.set("stuck-broken")
    machine.set("paused-paused")
    done = machine.command("restart-workloads", timeout=60)
    assert done.returncode == 0, done.stderr
    assert machine.results == [
        "not_restarted.deployments/shop/paused=error: can't restart paused deployment",
        "not_restarted.deployments/shop/broken=error: timed out waiting for the condition",
    ]
    assert [call for call in machine.called("kubectl -n") if " rollout restart " in call] == [
        "kubectl -n kube-system rollout restart daemonsets kube-proxy",
        "kubectl -n shop rollout restart deployments web",
        "kubectl -n shop rollout restart deployments broken",
        "kubectl -n shop rollout restart deployments paused",
    ]


def test_tokens_in_secrets_are_signed_again(machine: NodeMachine, case: Case) -> None:
    old, new = case.secrets["service_account"].certificate or "", successor_key().public
    follow(machine, case, MASTER, "before", part=False)
    follow(machine, case, MASTER, "keys")
    machine.set("published", machine.text("etc/kubernetes/pki/ca.crt").strip())
    stale, fresh = (base64.b64encode(token(each).encode()).decode() for each in (old, new))
    machine.set("secrets", f"shop ci {stale}\nshop new {fresh}\nkube-system agent {stale}")
    machine.set("again", fresh)
    done = machine.command("restart-workloads", timeout=60)
    assert (done.returncode, machine.results) == (0, []), done.stderr
    remove = '--type json -p [{"op": "remove", "path": "/data/token"}]'
    assert [call for call in machine.calls if " patch " in call] == [
        f"kubectl -n shop patch secret ci {remove}",
        f"kubectl -n kube-system patch secret agent {remove}",
    ]
    assert machine.command("restart-workloads", timeout=60).returncode == 0
    assert not [call for call in machine.calls if " patch " in call], "those of the current key stay"
    machine.set("secrets", f"shop ci {stale}\nshop stuck <none>")
    assert machine.command("restart-workloads", timeout=60).returncode == 0
    assert machine.results == ["not_restarted.secrets/shop/stuck=its token was not signed again"]


def test_what_was_not_available_before_is_restarted_and_not_waited_for(machine: NodeMachine, case: Case) -> None:
    follow(machine, case, MASTER, "before", part=False)
    machine.set("published", machine.text("etc/kubernetes/pki/ca.crt").strip())
    machine.set("daemonsets", "kube-system on-a-dead-node 3 3 2\nkube-system nowhere 0 0 0")
    machine.set("deployments", "shop web 2 2 2\nshop broken 1 1 <none>\nshop rolling 2 1 2\nshop none 0 <none> <none>")
    machine.set("statefulsets", "shop data 3 3 3\nshop gone 1 <none> 1")
    done = machine.command("restart-workloads", timeout=600)
    assert done.returncode == 0, done.stderr
    why = "it was not available before the restart and was not waited for"
    assert machine.results == [
        f"not_restarted.{workload}={why}"
        for workload in (
            "daemonsets/kube-system/on-a-dead-node",
            "deployments/shop/broken",
            "deployments/shop/rolling",
            "statefulsets/shop/gone",
        )
    ]
    assert len([call for call in machine.called("kubectl -n") if " rollout restart " in call]) == 8, "all of them"
    waited = [call.split(" rollout status ")[1].split()[1] for call in machine.calls if " rollout status " in call]
    assert waited == ["nowhere", "web", "none", "data"]


def test_the_time_is_that_of_all_workloads_together(machine: NodeMachine, case: Case) -> None:
    follow(machine, case, MASTER, "before", part=False)
    machine.set("published", machine.text("etc/kubernetes/pki/ca.crt").strip())
    machine.set("deployments", "\n".join(f"shop d{number} 1 1 1" for number in range(40)))
    done = machine.command("restart-workloads", timeout=300)
    assert done.returncode == 0, done.stderr
    assert len([call for call in machine.calls if " rollout status " in call]) < 12, "each takes 50 seconds"
    assert machine.results[-1] == "not_restarted.deployments/shop/d39=it was not waited for after 300 seconds"
