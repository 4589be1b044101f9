"""Envelope encryption of secrets in the database and its backups.

Rule: a sealed value contains the ID of its key and is bound to its `context`, so that a value copied to another row
cannot be decrypted. There can be several keys: the first encrypts and all decrypt, so that keys can be rotated.
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

from shared.domain.errors import JeroboamError, TemporaryError

_VERSION = b"\x01"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12


class SealingError(JeroboamError):
    """An invalid key, or a value that cannot be decrypted."""


class MissingKey(SealingError, TemporaryError):
    """A value was encrypted with a key that is not in the settings; work continues once the key is added."""


class Sealer:
    """Encrypts and decrypts with AES-256-GCM.

    Args:
        keys: 32 bytes each, URL-safe base64. The first one encrypts.

    Raises:
        SealingError: there is no key, or one is invalid.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        if not keys:
            raise SealingError("at least one envelope key is needed")
        raw = [_decode(key) for key in keys]
        self._ciphers = {_key_id(key): AESGCM(key) for key in raw}
        self._current = _key_id(raw[0])
        self.key_ids = [_key_id(key).hex() for key in raw]  # in the order of the settings

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt `plain` and bind it to `context`."""
        nonce = os.urandom(_NONCE_BYTES)
        body = self._ciphers[self._current].encrypt(nonce, plain, context.encode())
        return _VERSION + self._current + nonce + body

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt a value that was encrypted for the same `context`.

        Raises:
            MissingKey: the key is unknown.
            SealingError: the value was modified or moved.
        """
        start = len(_VERSION) + _KEY_ID_BYTES
        cipher = self._ciphers.get(sealed[len(_VERSION) : start])
        if sealed[: len(_VERSION)] != _VERSION:
            raise SealingError(f"the value of {context} is not encrypted")
        if cipher is None:
            key = sealed[len(_VERSION) : start].hex()
            raise MissingKey(f"no envelope key decrypts {context}: key {key} is not in JEROBOAM_SECRET_KEYS")
        try:
            return cipher.decrypt(
                sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :], context.encode()
            )
        except InvalidTag:
            raise SealingError(f"the encrypted value of {context} was modified or moved") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether the value is encrypted with the first key; if not, a rotation encrypts it again."""
        return sealed[len(_VERSION) : len(_VERSION) + _KEY_ID_BYTES] == self._current


def webhook_place(webhook_id: str, which: str) -> str:
    """What the `current` or `old` secret of a webhook is bound to when it is encrypted."""
    return f"webhook {webhook_id} {which} secret"


# Where PostgreSQL's `substr` finds the ID of the key in a sealed value.
KEY_ID_PLACE = (len(_VERSION) + 1, _KEY_ID_BYTES)


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
