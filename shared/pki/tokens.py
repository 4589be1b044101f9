"""One-time tokens and credentials of nodes.

Rule: only the hash is stored. Tokens have 256 random bits, so a fast hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets


def new_token() -> str:
    """A fresh token: 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def matches(token: str, stored_hash: str | None) -> bool:
    """Whether a token is the one whose hash is stored; takes the same time either way."""
    return stored_hash is not None and hmac.compare_digest(token_hash(token), stored_hash)
