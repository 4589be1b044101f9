"""The one-time token in a node's user data.

Rule: a token is derived from the cluster's own seed and the node's id, so a stack whose creation is retried after a
crash carries the same token; only its hash is stored with the node.
"""

from __future__ import annotations

import hashlib
import hmac

SEED_SECRET = "node_tokens"  # noqa: S105 - the name of the cluster secret that holds the seed


def node_token(seed: str, node_id: str) -> str:
    """The token of one node, 64 hexadecimal digits."""
    return hmac.new(seed.encode(), f"node {node_id}".encode(), hashlib.sha256).hexdigest()


def hash_token(token: str) -> str:
    """What is stored of a token or credential: SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
