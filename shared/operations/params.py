"""What each kind of operation stores of its request (`operations.params`); the API shows it as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from shared.domain.kinds import OperationKind
from shared.operations.stored import Stored


class Params(Stored):
    """Base of all; itself the params of the kinds that need none."""


class CreateParams(Params):
    node_count: int
    master_count: int


class ResizeParams(Params):
    """`nodegroup` is a name, `nodes_to_remove` are uuids; `rollback` is kept as asked for and changes nothing.

    A live resize that another one has joined shows the later count, and the nodes of both.
    """

    node_count: int | None = None
    nodegroup: str | None = None
    nodes_to_remove: tuple[str, ...] = ()
    rollback: bool | None = None


class UpgradeParams(Params):
    """`nodegroup` is the name or uuid that was asked for; None for the default ones.

    `images` are those of the nodegroups (by uuid) whose machines are replaced; those of all others are kept.
    `replace_all` is whether machines are also replaced that have the image already, but another version.
    """

    cluster_template_id: str
    max_batch_size: int | None = None
    nodegroup: str | None = None
    images: dict[str, str] = Field(default_factory=dict)
    replace_all: bool = False


class NodegroupCreateParams(Params):
    nodegroup: str
    node_count: int


class NodegroupLabels(Stored):
    """What a nodegroup's nodes had before an update."""

    node_labels: dict[str, str] | None = None
    node_taints: tuple[dict[str, str], ...] | None = None


class NodegroupUpdateParams(Params):
    nodegroup: str | None = None
    before: NodegroupLabels = NodegroupLabels()


class NodegroupDeleteParams(Params):
    nodegroup: str


# A kind that is not here has none.
PARAMS_OF_KIND: Mapping[OperationKind, type[Params]] = {
    OperationKind.CREATE: CreateParams,
    OperationKind.RESIZE: ResizeParams,
    OperationKind.UPGRADE: UpgradeParams,
    OperationKind.NODEGROUP_CREATE: NodegroupCreateParams,
    OperationKind.NODEGROUP_UPDATE: NodegroupUpdateParams,
    OperationKind.NODEGROUP_DELETE: NodegroupDeleteParams,
}


def load_params(kind: OperationKind, values: Mapping[str, Any]) -> Params:
    """The params of an operation of `kind`, from what its row holds."""
    return PARAMS_OF_KIND.get(kind, Params).load(values)
