"""Requests the certificate of a simulated node, and checks it as an engine would.

Rule: keys and signatures are real; only the engine that would use them is missing.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_request(name: str) -> str:
    """A certificate signing request for a new key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def trouble_with(answer: dict[str, Any], request: str) -> str | None:
    """Why the API's response to a request is invalid; None if it is valid.

    Args:
        answer: `certificate`, and `ca`: all trusted authorities, the signing one first.
    """
    certificate = x509.load_pem_x509_certificate(str(answer["certificate"]).encode())
    authorities = x509.load_pem_x509_certificates(str(answer["ca"]).encode())
    if certificate.public_key() != x509.load_pem_x509_csr(request.encode()).public_key():
        return "the certificate is for another key"
    try:
        certificate.verify_directly_issued_by(authorities[0])
    except (ValueError, TypeError, InvalidSignature):
        return "the certificate is not of the authority that signs"
    return None
