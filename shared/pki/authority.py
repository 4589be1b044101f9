"""Certificate authorities and key pairs of a cluster.

Rule: keys leave this module only as PEM text, to be encrypted; nothing here stores or logs them. Generating an RSA key
takes a tenth of a second of CPU time, so callers on an event loop use a thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from jeroboam.driver import KeyAlgorithm

CA_LIFETIME = timedelta(days=3650)
# The clocks of nodes can be slow.
BACKDATED = timedelta(days=1)

# The keys with which authorities sign.
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """`public` is a certificate or a public key, `private` the private key; both PEM text."""

    public: str
    private: str = field(repr=False)


def make_authority(
    common_name: str,
    *,
    now: datetime,
    lifetime: timedelta = CA_LIFETIME,
    algorithm: KeyAlgorithm = KeyAlgorithm.ECDSA_P256,
) -> KeyMaterial:
    """A self-signed certificate authority with path length 0.

    Args:
        common_name: the subject; X.509 allows 64 characters, longer names are truncated.
        now: start of its validity, minus one day for slow clocks.
        lifetime: counted from `now`.
        algorithm: of its key.
    """
    key = _make_key(algorithm)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_authority_usage(), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyMaterial(certificate.public_bytes(serialization.Encoding.PEM).decode(), private_pem(key))


def make_key_pair(algorithm: KeyAlgorithm) -> KeyMaterial:
    """A key pair without a certificate, e.g. for service account tokens."""
    key = _make_key(algorithm)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return KeyMaterial(public.decode(), private_pem(key))


def private_pem(key: PrivateKey) -> str:
    """The private key in the traditional PEM format, which all engines support."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def _make_key(algorithm: KeyAlgorithm) -> PrivateKey:
    if algorithm is KeyAlgorithm.ECDSA_P256:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _authority_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
