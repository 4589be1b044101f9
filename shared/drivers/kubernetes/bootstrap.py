"""What one node does to become part of the cluster, rendered for that node."""

from __future__ import annotations

from shared.drivers.base import Bootstrap, BootstrapContext, NotYet
from shared.drivers.kubernetes.labels import Labels


def render(context: BootstrapContext, labels: Labels) -> Bootstrap | NotYet:
    """The first master at once; everybody else when it has joined."""
    masters = sorted((node for node in context.nodes if node.role == "master"), key=lambda node: node.index)
    first = masters[0]
    if context.node.uuid != first.uuid and first.state != "joined":
        return NotYet(f"waiting for the first master {first.name}", 3)
    return Bootstrap(script=f"#!/bin/sh\n# {labels.kube_tag}\n", files=())
