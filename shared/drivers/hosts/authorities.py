"""Certificate authorities that nodes trust besides those of their system.

Rule: what nodes get is encoded again from the parsed certificates, so nothing else that a text contains reaches them.
"""

from __future__ import annotations

import re
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from jeroboam.driver import BootstrapContext

PATH = "/etc/jeroboam/authorities.pem"
MOST = 20
LONGEST = 64 * 1024
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----")
_WRONG = "must be certificates of authorities in PEM, -----BEGIN CERTIFICATE----- and so on"


def parse(text: str) -> str:
    """The certificates of a PEM text, encoded again, without duplicates.

    Raises:
        ValueError: it contains no certificate, one that cannot be read or is not an authority's, or a private key.
    """
    if len(text) > LONGEST:
        raise ValueError(f"must be at most {LONGEST // 1024} KiB")
    if "PRIVATE KEY-----" in text:
        raise ValueError(f"{_WRONG}; it contains a private key, which is secret: replace that key")
    blocks = _BLOCK.findall(text)
    if not blocks or len(blocks) != text.count("-----BEGIN "):
        raise ValueError(_WRONG)
    if len(blocks) > MOST:
        raise ValueError(f"must be at most {MOST} certificates")
    return "".join(dict.fromkeys(_authority(block, number) for number, block in enumerate(blocks, start=1)))


def _authority(block: str, number: int) -> str:
    try:
        certificate = x509.load_pem_x509_certificate(block.encode())
        constraints = [each.value for each in certificate.extensions if isinstance(each.value, x509.BasicConstraints)]
    except ValueError:
        raise ValueError(f"{_WRONG}; certificate {number} cannot be read") from None
    if not all(each.ca for each in constraints):
        raise ValueError(f"certificate {number} is not that of an authority (its basic constraints say CA:FALSE)")
    return certificate.public_bytes(Encoding.PEM).decode()


def files(context: BootstrapContext, given: str) -> list[dict[str, Any]]:
    """The file that trust.sh reads; empty if the system's authorities are enough.

    Args:
        given: the parsed label, to which the operator's authorities are added.
    """
    operators = parse(context.authorities) if context.authorities.strip() else ""
    return [{"path": PATH, "content": _joined(operators + given), "mode": "0644"}]


def _joined(text: str) -> str:
    return "".join(f"{block}\n" for block in dict.fromkeys(_BLOCK.findall(text)))
