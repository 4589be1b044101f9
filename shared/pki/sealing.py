"""Envelope encryption of what must not be readable in the database or a backup of it.

Rule: a sealed value names the key that sealed it, and is bound to its place (`context`), so a row copied onto another
row does not open. Several keys may be set: the first seals, all of them open, which is how a key is rotated.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from shared.domain.errors import PermanentError

_VERSION = b"\x01"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12


class SealingError(PermanentError):
    """A key that is no key, or a value that none of our keys opens."""


class Sealer:
    """Seals and opens with AES-256-GCM.

    Args:
        keys: 32 bytes each, URL-safe base64. The first one seals.

    Raises:
        SealingError: no key, or one of the wrong form.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        if not keys:
            raise SealingError("at least one envelope key is needed")
        raw = [_decode(key) for key in keys]
        self._ciphers = {_key_id(key): AESGCM(key) for key in raw}
        self._current = _key_id(raw[0])

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt `plain` for the place called `context`."""
        nonce = os.urandom(_NONCE_BYTES)
        body = self._ciphers[self._current].encrypt(nonce, plain, context.encode())
        return _VERSION + self._current + nonce + body

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal` made for the same `context`.

        Raises:
            SealingError: the key is not among ours, or the value was changed or moved.
        """
        start = len(_VERSION) + _KEY_ID_BYTES
        cipher = self._ciphers.get(sealed[len(_VERSION) : start])
        if sealed[: len(_VERSION)] != _VERSION or cipher is None:
            raise SealingError(f"no envelope key of ours opens {context}")
        try:
            return cipher.decrypt(
                sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :], context.encode()
            )
        except InvalidTag:
            raise SealingError(f"the sealed value of {context} was changed or moved") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether the first key sealed it; what is not current is sealed again by a rotation."""
        return sealed[len(_VERSION) : len(_VERSION) + _KEY_ID_BYTES] == self._current


def new_key() -> str:
    """A fresh envelope key, in the form settings take."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _decode(key: SecretStr) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(key.get_secret_value())
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise SealingError("an envelope key must be 32 bytes in URL-safe base64")
    return raw


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"jeroboam envelope key id" + key).digest()[:_KEY_ID_BYTES]
