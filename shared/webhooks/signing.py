"""Signatures of Standard Webhooks: HMAC-SHA256 over ID, time of the attempt and body.

Rule: exactly the bytes that are sent are signed, at the time they are sent. During a rotation both secrets sign, the
new one first. Source: the specification of Standard Webhooks, 1.0.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of secrets
_SECRET_BYTES = 32


def new_secret() -> str:
    """A new secret, in the form in which it is shown to the user."""
    return SECRET_PREFIX + base64.b64encode(os.urandom(_SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for."""
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX))


def signatures(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Value of `webhook-signature`: one signature for each key, newest first."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
