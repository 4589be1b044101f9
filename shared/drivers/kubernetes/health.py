"""The health of a Kubernetes cluster in Magnum's form: `{"api": "ok", "<node>.Ready": "True"}`.

Rule: a node is ready if it says so itself and no master's API says otherwise. The masters' word also counts for nodes
that are silent. Masters name the nodes that are not ready only, so that a report of a large cluster stays small.
"""

from __future__ import annotations

from collections.abc import Sequence

from jeroboam.driver import ClusterHealth, NodeHealth, overall

API = "api"
OK = "ok"
_READY = ".Ready"
_WORD = {True: "True", False: "False", None: "Unknown"}


def measure(nodes: Sequence[NodeHealth]) -> ClusterHealth:
    """The status and its reasons.

    Args:
        nodes: with `states` of masters: `api=ok`, and `<node>.Ready=<status>` for each node that is not ready.
    """
    heard = [each for each in nodes if each.node.is_master and each.fresh and each.problem is None]
    views = [each for each in heard if each.states.get(API) == OK]
    api = _api(heard, views)
    reasons = {API: _API_WORD[api]}
    parts = [api]
    for each in nodes:
        told = {view.states.get(each.node.name + _READY) for view in views} - {None}
        works = each.works
        if works is None and views:
            works = not told
        elif told and works:
            works = False
        # What Kubernetes itself calls Unknown is a node whose kubelet is silent: known not to be ready.
        word = min(str(text) for text in told) if told and each.problem is None else _WORD[works]
        reasons[each.node.name + _READY] = word
        parts.append(works)
    return ClusterHealth(overall(parts), reasons)


_API_WORD = {True: OK, False: "not ready", None: "unknown"}


def _api(heard: Sequence[NodeHealth], views: Sequence[NodeHealth]) -> bool | None:
    """One master whose API works is enough. Nodes made by earlier versions report only whether they are healthy."""
    if views or any(each.works and API not in each.states for each in heard):
        return True
    return False if heard else None
