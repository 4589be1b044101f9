"""CA certificates, signing, and ready configurations."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from sqlalchemy import update

from services.api.deps import Deps
from shared.db.models import Cluster
from shared.drivers.registry import find_driver
from shared.pki.cluster_secrets import ensure_cluster_secrets


def admin_csr() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    names = [(NameOID.COMMON_NAME, "admin"), (NameOID.ORGANIZATION_NAME, "system:masters")]
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


async def make_keys(deps: Deps, cluster_id: str) -> None:
    driver = find_driver("kubernetes", "ubuntu", "vm")
    assert driver is not None
    await ensure_cluster_secrets(
        deps.db, deps.sealer, cluster_id=cluster_id, cluster_name="c1", kinds=driver.engine.secrets
    )


@pytest.fixture
async def cluster(user: httpx.AsyncClient, template: dict[str, Any]) -> str:
    answer = await user.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "k8s"})
    uuid: str = answer.json()["uuid"]
    return uuid


async def test_before_and_after_the_keys_are_made(user: httpx.AsyncClient, cluster: str, deps: Deps) -> None:
    early = await user.get("/v1/certificates/c1")
    assert early.status_code == 409
    await make_keys(deps, cluster)
    await make_keys(deps, cluster)

    main = (await user.get("/v1/certificates/c1")).json()
    assert main["cluster_uuid"] == cluster
    assert main["links"][0]["href"] == f"http://api.test/v1/certificates/{cluster}"
    authority = x509.load_pem_x509_certificate(main["pem"].encode())
    assert authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "c1"
    for kind in ("etcd", "front-proxy", "front_proxy"):
        other = (await user.get(f"/v1/certificates/{cluster}?ca_cert_type={kind}")).json()
        assert other["pem"] != main["pem"]
    assert (await user.get("/v1/certificates/c1?ca_cert_type=x")).status_code == 400


async def test_signing(user: httpx.AsyncClient, cluster: str, deps: Deps) -> None:
    await make_keys(deps, cluster)
    csr = admin_csr()
    answer = await user.post("/v1/certificates", json={"cluster_uuid": cluster, "csr": csr})
    assert answer.status_code == 201, answer.text
    signed = answer.json()
    assert signed["csr"] == csr
    authority = (await user.get("/v1/certificates/c1")).json()["pem"]
    certificate = x509.load_pem_x509_certificate(signed["pem"].encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.encode()))
    for body, text in (
        ({"cluster_uuid": cluster, "csr": "rubbish"}, "Received invalid csr rubbish."),
        ({"cluster_uuid": "none", "csr": csr}, "Cluster none could not be found."),
        ({"cluster_uuid": cluster}, "Invalid input for field/attribute csr. Value: 'None'. Mandatory field missing."),
        ({"bay_uuid": cluster, "csr": csr}, "Unknown attribute for argument certificate: bay_uuid"),
    ):
        refused = await user.post("/v1/certificates", json=body)
        assert (refused.status_code, refused.json()["errors"][0]["detail"]) == (400, text)


async def test_only_the_owner_and_admins_may_sign(login: Any, cluster: str, deps: Deps) -> None:
    await make_keys(deps, cluster)
    for user, project, status in (("reader", "demo", 403), ("alt", "alt", 404), ("admin", "admin", 200)):
        client = await login(user, project)
        assert (await client.get(f"/v1/certificates/{cluster}")).status_code == status


async def test_a_configuration_is_as_strong_as_its_reader(
    user: httpx.AsyncClient, login: Any, cluster: str, deps: Deps
) -> None:
    await make_keys(deps, cluster)
    assert (await user.get("/v1/clusters/c1/config")).status_code == 409
    async with deps.db.transaction() as session:
        await session.execute(update(Cluster).values(api_address="https://203.0.113.7:6443"))
    mine = await user.get("/v1/clusters/c1/config?hours=1")
    assert mine.status_code == 200, mine.text
    assert "https://203.0.113.7:6443" in mine.json()["content"]
    assert mine.json()["group"] == "system:masters"
    assert mine.headers["cache-control"] == "no-store"
    reader = await login("reader", "demo")
    assert (await reader.get("/v1/clusters/c1/config")).json()["group"] == "jeroboam:viewers"
    plain = await user.get("/v1/clusters/c1/config", headers={"Accept": "application/yaml"})
    assert plain.text.startswith("apiVersion")
    assert (await user.get("/v1/clusters/c1/config?hours=1000")).status_code == 400
