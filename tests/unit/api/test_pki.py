"""Sealing, authorities and signing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from pydantic import SecretStr

from jeroboam.driver import KeyAlgorithm, NodeCertificate
from shared.pki.authority import KeyMaterial, make_authority, make_key_pair
from shared.pki.sealing import Sealer, SealingError, new_key
from shared.pki.signing import ForbiddenExtension, InvalidRequest, sign_node_request, sign_request

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(scope="module", params=list(KeyAlgorithm))
def authority(request: pytest.FixtureRequest) -> KeyMaterial:
    return make_authority("c1", now=NOW, algorithm=request.param)


def keys(*texts: str) -> list[SecretStr]:
    return [SecretStr(text) for text in texts]


def request(
    *extensions: tuple[x509.ExtensionType, bool], key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None
) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def usage(*given: str) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
    )
    return x509.KeyUsage(**{name: name in given for name in names.split()}, encipher_only=False, decipher_only=False)


def test_a_key_is_rotated_by_putting_a_new_one_first() -> None:
    old, new = new_key(), new_key()
    sealed = Sealer(keys(old)).seal(b"text", "here")
    both = Sealer(keys(new, old))
    assert both.open(sealed, "here") == b"text"
    assert not both.is_current(sealed)
    assert both.is_current(both.seal(b"text", "here"))
    with pytest.raises(SealingError, match="no envelope key"):
        Sealer(keys(new)).open(sealed, "here")


def test_a_sealed_value_is_bound_to_its_place_and_whole() -> None:
    sealer = Sealer(keys(new_key()))
    sealed = sealer.seal(b"text", "here")
    assert b"text" not in sealed
    assert sealer.seal(b"text", "here") != sealed
    for value, place in ((sealed, "there"), (sealed[:-1], "here"), (sealed[:-1] + b"\x00\x00", "here"), (b"", "here")):
        with pytest.raises(SealingError):
            sealer.open(value, place)


@pytest.mark.parametrize("bad", [[], ["short"], ["!" * 44], [new_key(), ""]])
def test_bad_envelope_keys(bad: list[str]) -> None:
    with pytest.raises(SealingError):
        Sealer(keys(*bad))


def test_an_authority(authority: KeyMaterial) -> None:
    certificate = x509.load_pem_x509_certificate(authority.public.encode())
    certificate.verify_directly_issued_by(certificate)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.value.ca, constraints.critical) == (True, True)
    assert certificate.not_valid_before_utc == NOW - timedelta(days=1)
    assert len(make_authority("x" * 200, now=NOW).public) > 100
    assert make_key_pair(KeyAlgorithm.ECDSA_P256).public.startswith("-----BEGIN PUBLIC KEY-----")
    assert "PRIVATE" not in repr(authority)


def test_a_users_request_is_copied_and_filtered(authority: KeyMaterial) -> None:
    pem = sign_request(
        request(
            (usage("digital_signature", "key_cert_sign"), False),
            (x509.SubjectAlternativeName([x509.DNSName("a.b")]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.PolicyConstraints(require_explicit_policy=1, inhibit_policy_mapping=None), False),
        ),
        authority,
        now=NOW,
    )
    certificate = x509.load_pem_x509_certificate(pem.encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.public.encode()))
    assert certificate.subject.rfc4514_string() == "CN=admin"
    assert certificate.not_valid_after_utc == NOW + timedelta(days=1825)
    found = {extension.oid for extension in certificate.extensions}
    assert ExtensionOID.POLICY_CONSTRAINTS not in found
    assert ExtensionOID.SUBJECT_KEY_IDENTIFIER in found
    given = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (given.digital_signature, given.key_cert_sign) == (True, False)


@pytest.mark.parametrize(
    "extension",
    [
        (x509.BasicConstraints(ca=True, path_length=None), False),
        (usage("key_cert_sign"), True),
        (x509.PolicyConstraints(require_explicit_policy=1, inhibit_policy_mapping=None), True),
    ],
)
def test_what_nobody_gets(authority: KeyMaterial, extension: tuple[x509.ExtensionType, bool]) -> None:
    with pytest.raises(ForbiddenExtension, match=r"^Extension '\w+' not allowed$"):
        sign_request(request(extension), authority, now=NOW)


def test_a_certificate_does_not_outlive_its_authority(authority: KeyMaterial) -> None:
    pem = sign_request(request(), authority, now=NOW, lifetime=timedelta(days=36500))
    ca = x509.load_pem_x509_certificate(authority.public.encode())
    assert x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc == ca.not_valid_after_utc


def test_what_is_no_request(authority: KeyMaterial) -> None:
    genuine = request()
    middle = len(genuine) // 2
    broken = genuine[:middle] + ("A" if genuine[middle] != "A" else "B") + genuine[middle + 1 :]
    dsa_key = dsa.generate_private_key(key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    by_dsa = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(dsa_key, hashes.SHA256())
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for text in (
        "",
        "x",
        broken,
        authority.public,
        request(key=weak),
        by_dsa.public_bytes(serialization.Encoding.PEM).decode(),
    ):
        with pytest.raises(InvalidRequest):
            sign_request(text, authority, now=NOW)


def test_a_nodes_names_are_ours(authority: KeyMaterial) -> None:
    wish = (x509.SubjectAlternativeName([x509.DNSName("api.example.org")]), False)
    pem = sign_node_request(
        request(wish),
        authority,
        NodeCertificate("kubernetes", "system:node:c1-n0", ["system:nodes"]),
        node_name="c1-n0",
        addresses=["10.0.0.5", "fd00::1"],
        now=NOW,
    )
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert certificate.subject.rfc4514_string() == "CN=system:node:c1-n0,O=system:nodes"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["c1-n0"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.0.0.5"), ip_address("fd00::1")]
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(purposes) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}


def test_a_nodes_usage_is_what_its_engine_wants(authority: KeyMaterial) -> None:
    for client, server in ((True, False), (False, True)):
        wanted = NodeCertificate("ca", "n", [], client=client, server=server)
        pem = sign_node_request(request(), authority, wanted, node_name="n", addresses=[], now=NOW)
        found = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        expected = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        assert list(found.value) == [expected]
