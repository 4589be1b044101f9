"""Names and tags of resources, derived from the cluster's ID so that a retried create finds existing resources."""

from __future__ import annotations

OWNED = "jeroboam"


def base_stack(cluster_id: str) -> str:
    return f"jeroboam-{cluster_id}-base"


def shard_stack(cluster_id: str, nodegroup_name: str, shard: int) -> str:
    return f"jeroboam-{cluster_id}-{nodegroup_name}-{shard}"


def cluster_tag(cluster_id: str) -> str:
    return f"jeroboam-cluster-{cluster_id}"


def credential(cluster_id: str, operation_id: str | None = None) -> str:
    """The name of a cluster's application credential: the first one, or the one created by a rotation."""
    return f"jeroboam-{cluster_id}" + (f"-{operation_id[-12:]}" if operation_id else "")
