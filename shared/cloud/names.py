"""Names and tags of resources, derived from the cluster's ID so that a retried create finds existing resources."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

OWNED = "jeroboam"


def base_stack(cluster_id: str) -> str:
    return f"jeroboam-{cluster_id}-base"


# Heat accepts a letter, then letters, digits, `_`, `-` and `.`, at most 255 characters in all, and on MySQL it does not
# tell upper case from lower case. The rest of the name of a shard's stack takes up to 58 characters.
_LONGEST_PLAIN = 197
_LONGEST_CUT = 160
_UNSAFE = re.compile(r"[^a-z0-9_.-]+")


def shard_stack(cluster_id: str, nodegroup_name: str, shard: int, *, listed: Collection[str] = ()) -> str:
    """The name of a shard's stack, valid for Heat and different for each nodegroup name and shard.

    A nodegroup's name that cannot be a part of it as it is gets a hash. The hash follows the number, with a letter in
    front, so that no name without a hash can be equal to one with it.

    Args:
        listed: names of stacks that exist. Before there was a hash, every nodegroup's name was used as it is; a stack
            of such a name is still the shard's.
    """
    old = f"jeroboam-{cluster_id}-{nodegroup_name}-{shard}"
    plain = _UNSAFE.sub("-", nodegroup_name.lower())
    if old in listed or (plain == nodegroup_name and len(plain) <= _LONGEST_PLAIN):
        return old
    digest = hashlib.sha256(nodegroup_name.encode(errors="surrogatepass")).hexdigest()[:16]
    return f"jeroboam-{cluster_id}-{plain[:_LONGEST_CUT]}-{shard}-x{digest}"


def cluster_tag(cluster_id: str) -> str:
    return f"jeroboam-cluster-{cluster_id}"


def credential(cluster_id: str, operation_id: str | None = None) -> str:
    """The name of a cluster's application credential: the first one, or the one created by a rotation."""
    return f"jeroboam-{cluster_id}" + (f"-{operation_id[-12:]}" if operation_id else "")
