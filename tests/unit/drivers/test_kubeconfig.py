"""The kubeconfig a user gets: complete, his own, trusted by the cluster, and soon over."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from jeroboam.driver import Access
from jeroboam.testing.cases import make_case
from tests.support.kubernetes import driver, engine


def test_a_kubeconfig_opens_the_cluster_for_a_while() -> None:
    case = make_case(driver)
    config = engine.client_config(
        case.cluster,
        api_address="https://203.0.113.7:6443",
        secrets=case.secrets,
        user="ann: 'quoted' \"user\"",
        access=Access.VIEWER,
        now=datetime.now(UTC),
        lifetime=timedelta(hours=3),
    )
    found = yaml.safe_load(config.files["config"])
    assert found["kind"] == "Config"
    assert config.environment == {"KUBECONFIG": "{directory}/config"}
    context = next(each for each in found["contexts"] if each["name"] == found["current-context"])["context"]
    cluster = next(each for each in found["clusters"] if each["name"] == context["cluster"])["cluster"]
    user = next(each for each in found["users"] if each["name"] == context["user"])["user"]
    assert cluster["server"] == "https://203.0.113.7:6443"
    authority = x509.load_pem_x509_certificate(base64.b64decode(cluster["certificate-authority-data"]))
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    certificate.verify_directly_issued_by(authority)
    key = serialization.load_pem_private_key(base64.b64decode(user["client-key-data"]), password=None)
    public = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    assert key.public_key().public_bytes(*public) == certificate.public_key().public_bytes(*public)
    names = {attribute.oid: attribute.value for attribute in certificate.subject}
    assert names == {NameOID.COMMON_NAME: "ann: 'quoted' \"user\"", NameOID.ORGANIZATION_NAME: "jeroboam:viewers"}
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(hours=2, minutes=59) < left <= timedelta(hours=3)
