"""Magnum's notifications about clusters (`services.notifier.cadf`), for those who consume them today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from services.notifier.cadf import MEANINGS, payload
from services.notifier.notices import Notices, Notification

_READ = text("""
SELECT e.position, e.id, e.type, e.time, e.project_id, e.cluster_id, e.data, o.user_id, o.cluster_name,
    c.name, c.created_at, c.updated_at, c.cluster_template_id, c.keypair, c.docker_volume_size, c.labels,
    c.master_flavor_id, c.flavor_id, c.stack_id, c.health_status, c.create_timeout, c.api_address, c.discovery_url,
    g.node_count, g.master_count, a.node_addresses, a.master_addresses
FROM events e
LEFT JOIN operations o ON o.uuid = e.operation_id
LEFT JOIN clusters c ON c.uuid = e.cluster_id
LEFT JOIN LATERAL (
    SELECT sum(node_count) FILTER (WHERE role NOT IN ('master', 'bootstrap'))::bigint AS node_count,
        sum(node_count) FILTER (WHERE role = 'master')::bigint AS master_count
    FROM nodegroups WHERE cluster_id = c.uuid) g ON true
LEFT JOIN LATERAL (
    SELECT array_agg(coalesce(floating_ip, ip_address) ORDER BY index) FILTER (
            WHERE role NOT IN ('master', 'bootstrap') AND coalesce(floating_ip, ip_address) IS NOT NULL)
            AS node_addresses,
        array_agg(coalesce(floating_ip, ip_address) ORDER BY index) FILTER (
            WHERE role = 'master' AND coalesce(floating_ip, ip_address) IS NOT NULL) AS master_addresses
    FROM nodes WHERE cluster_id = c.uuid) a ON true
WHERE e.position > :after AND e.position <= :last AND e.type = ANY(:types) AND e.cluster_id IS NOT NULL
ORDER BY e.position LIMIT :batch
""")


class MagnumNotices(Notices):
    """`Notices` to Magnum's exchange."""

    name = "magnum-notifications"
    word = "magnum_notices"
    types = MEANINGS
    read = _READ

    def form(self, event: Mapping[str, Any]) -> Notification:
        meaning = MEANINGS[event["type"]]
        return Notification(meaning.event_type, meaning.level, payload(event, meaning))
