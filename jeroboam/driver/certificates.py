"""Short-lived client certificates for engines that trust a certificate authority of the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from jeroboam.driver.values import Secret

# The clocks of nodes that have just booted can be slow.
_BACKDATE = timedelta(minutes=10)


def make_client_certificate(
    authority: Secret, *, user: str, groups: Sequence[str], now: datetime, lifetime: timedelta
) -> Secret:
    """Generate a key and its certificate: `CN=<user>`, one `O` per group, for client authentication only.

    The key is an elliptic curve key (P-256), which is generated in less than 1 ms; an RSA key would take 100 ms.

    Args:
        authority: a secret of kind CA; its first certificate signs.
        user: the common name; X.509 allows 64 characters, longer names are truncated.
    """
    assert authority.certificate is not None
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    signer = serialization.load_pem_private_key(authority.secret.encode(), password=None)
    names = [x509.NameAttribute(NameOID.COMMON_NAME, user[:64])]
    names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())  # type: ignore[arg-type]
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Secret(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())
