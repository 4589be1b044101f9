"""How often users, projects, nodes and addresses may ask.

Rule: a rate is counted in this process, after the caller is known; only what Keystone did not know is counted by
address, because many nodes or users can share one. A rate that is exceeded is a 429 that names its setting and says
when to ask again.
"""

from __future__ import annotations

import math

from services.api.wire.errors import ApiError
from shared.domain.buckets import Buckets
from shared.limit_settings import LimitSettings
from shared.telemetry.metrics import RATES_EXCEEDED

# A node sends more than heartbeats, and repeats those that were lost.
_REPORTS_PER_HEARTBEAT = 6


class Rates:
    """Args:
    heartbeat_seconds: interval of the agents' heartbeats, to which the limit of reports adapts if it is short.
    """

    def __init__(self, limits: LimitSettings, *, heartbeat_seconds: float) -> None:
        burst = limits.burst_seconds
        reports = max(limits.reports_per_node, _REPORTS_PER_HEARTBEAT * 60 / heartbeat_seconds)
        self._limits = limits
        self._reports_per_node = reports
        self._users = Buckets(limits.requests_per_user, limits.requests_per_user * burst)
        self._projects = Buckets(limits.requests_per_project, limits.requests_per_project * burst)
        self._nodes = Buckets(limits.requests_per_node, limits.requests_per_node * burst)
        self._reports = Buckets(reports / 60, reports)
        self._changes = Buckets(limits.changes_per_node / 60, limits.changes_per_node)
        self._unknown = Buckets(limits.unknown_tokens_per_address, limits.unknown_tokens_per_address * burst)

    def request(self, user: str, project: str | None) -> None:
        """Count a request of a user. Raises ApiError (429)."""
        limits = self._limits
        _check(self._users.take(user), f"One user may make {limits.requests_per_user:g} a second", "requests_per_user")
        if project:
            self.project_request(project)

    def project_request(self, project: str) -> None:
        """Count a request for a project. Raises ApiError (429)."""
        most = self._limits.requests_per_project
        _check(self._projects.take(project), f"One project may make {most:g} a second", "requests_per_project")

    def node_request(self, node: str) -> None:
        """Count a request of a node. Raises ApiError (429)."""
        most = self._limits.requests_per_node
        _check(self._nodes.take(node), f"One node may make {most:g} a second", "requests_per_node")

    def report(self, node: str, *, changes: bool) -> None:
        """Count a report of a node.

        Args:
            changes: whether it can change the node's state, which locks its cluster and causes an event.

        Raises:
            ApiError: 429. The agent sends the report again, with what is true then.
        """
        most = self._reports_per_node
        _check(self._reports.take(node), f"One node may send {most:g} reports a minute", "reports_per_node")
        if changes:
            most = self._limits.changes_per_node
            _check(
                self._changes.take(node), f"One node may change its state {most:g} times a minute", "changes_per_node"
            )

    def check_address(self, address: str) -> None:
        """Reject an address that has just offered too many unknown tokens. Raises ApiError (429)."""
        most = self._limits.unknown_tokens_per_address
        words = f"One address may offer {most:g} unknown tokens a second"
        _check(self._unknown.wait(address), words, "unknown_tokens_per_address")

    def unknown_token(self, address: str) -> None:
        """Count a token that was not known."""
        self._unknown.take(address)


def _check(wait: float, words: str, setting: str) -> None:
    if wait > 0:
        RATES_EXCEEDED.labels(setting).inc()
        headers = {"Retry-After": str(math.ceil(wait))}
        raise ApiError(429, f"Too many requests. {words} (limits.{setting}).", headers=headers)
