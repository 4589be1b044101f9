"""Signs certificate requests of users and nodes.

Rule: only known extensions and key usages are copied from a request, and no certificate authority is issued. The
subject and names of a node's certificate are set here and not taken from its request, so that a worker cannot obtain an
administrator's certificate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from jeroboam.driver import NodeCertificate
from shared.domain.errors import PermanentError
from shared.pki.authority import BACKDATED, KeyMaterial, PrivateKey

USER_LIFETIME = timedelta(days=1825)
NODE_LIFETIME = timedelta(days=365)

_ALLOWED_EXTENSIONS = frozenset(
    {
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.BASIC_CONSTRAINTS,
    }
)
_ALLOWED_USAGES = ("digital_signature", "content_commitment", "key_encipherment")
_OTHER_USAGES = ("data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")


class InvalidRequest(PermanentError):
    """The text is not a certificate signing request, or the request is not acceptable."""


class ForbiddenExtension(PermanentError):
    """The request contains a critical extension or usage that is not allowed."""

    def __init__(self, extension: str) -> None:
        super().__init__(f"Extension '{extension}' not allowed")


def sign_request(csr_pem: str, authority: KeyMaterial, *, now: datetime, lifetime: timedelta = USER_LIFETIME) -> str:
    """Sign a user's request: the subject is copied, extensions are filtered.

    Raises:
        InvalidRequest: not a CSR, a bad signature, or a weak key.
        ForbiddenExtension: a critical extension or usage that is not allowed, or a certificate authority.
    """
    csr = _read(csr_pem)
    try:
        asked = list(csr.extensions)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm) as error:
        raise InvalidRequest(str(error)) from error
    return _issue(csr, csr.subject, list(_filtered(asked)), authority, now=now, lifetime=lifetime)


def sign_node_request(
    csr_pem: str,
    authority: KeyMaterial,
    wanted: NodeCertificate,
    *,
    node_name: str,
    addresses: Sequence[str],
    now: datetime,
) -> str:
    """Sign a node's request: its engine defines subject and usage; names and addresses are the node's own.

    Args:
        node_name: becomes a DNS name of the certificate.

    Raises:
        InvalidRequest: not a CSR, a bad signature, or a weak key.
    """
    csr = _read(csr_pem)
    subject = x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in wanted.organizations),
            x509.NameAttribute(NameOID.COMMON_NAME, wanted.common_name[:64]),
        ]
    )
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH] if wanted.client else []
    purposes += [ExtendedKeyUsageOID.SERVER_AUTH] if wanted.server else []
    names: list[x509.GeneralName] = [x509.DNSName(node_name)]
    names += [x509.IPAddress(ip_address(address)) for address in addresses]
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage({"digital_signature", "key_encipherment"}), True),
        (x509.ExtendedKeyUsage(purposes), False),
        (x509.SubjectAlternativeName(names), False),
    ]
    return _issue(csr, subject, extensions, authority, now=now, lifetime=NODE_LIFETIME)


def _read(csr_pem: str) -> x509.CertificateSigningRequest:
    try:
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        genuine = csr.is_signature_valid
        key = csr.public_key()
        _ = csr.subject
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidRequest(str(error)) from error
    if not genuine:
        raise InvalidRequest("its signature does not match its key")
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < 2048:
            raise InvalidRequest("an RSA key must have at least 2048 bits")
    elif not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise InvalidRequest("the key must be RSA, elliptic curve or Ed25519")
    return csr


def _filtered(asked: Iterable[x509.Extension[Any]]) -> Iterable[tuple[x509.ExtensionType, bool]]:
    for extension in asked:
        name = extension.oid._name
        if extension.oid not in _ALLOWED_EXTENSIONS:
            # The subject key identifier is computed here; other unknown extensions are dropped unless critical.
            if extension.critical:
                raise ForbiddenExtension(name)
            continue
        value = extension.value
        if isinstance(value, x509.BasicConstraints):
            if value.ca:
                raise ForbiddenExtension(name)
        elif isinstance(value, x509.KeyUsage):
            if extension.critical and any(getattr(value, usage) for usage in _OTHER_USAGES):
                raise ForbiddenExtension(name)
            value = _usage({usage for usage in _ALLOWED_USAGES if getattr(value, usage)})
        yield value, extension.critical


def _usage(given: set[str]) -> x509.KeyUsage:
    return x509.KeyUsage(
        **{usage: usage in given for usage in (*_ALLOWED_USAGES, *_OTHER_USAGES)},
        encipher_only=False,
        decipher_only=False,
    )


def _issue(
    csr: x509.CertificateSigningRequest,
    subject: x509.Name,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    authority: KeyMaterial,
    *,
    now: datetime,
    lifetime: timedelta,
) -> str:
    issuer = x509.load_pem_x509_certificate(authority.public.encode())
    # The key comes from the encrypted store; checking its primes again would cost more than the signature.
    key = serialization.load_pem_private_key(
        authority.private.encode(), password=None, unsafe_skip_rsa_key_validation=True
    )
    assert isinstance(key, PrivateKey)
    try:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject)
            .public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            # Clients handle a certificate that is valid longer than its issuer differently.
            .not_valid_after(min(now + lifetime, issuer.not_valid_after_utc))
        )
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(csr.public_key()), critical=False)
        certificate = builder.sign(key, hashes.SHA256())
    except (ValueError, TypeError) as error:
        raise InvalidRequest(str(error)) from error
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
