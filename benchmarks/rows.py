"""Creates thousands of clusters directly in the database, for benchmarks of reads."""

from __future__ import annotations

import asyncpg

_TEMPLATE = """
INSERT INTO cluster_templates (uuid, name, project_id, user_id, coe, image_id, labels, flavor_id, master_flavor_id)
VALUES (gen_random_uuid()::text, 'k8s', $1, 'u', 'kubernetes', 'ubuntu-24.04',
        '{"kube_tag": "v1.34.1", "network_driver": "calico"}', 'm1.small', 'm1.small') RETURNING uuid
"""
_CLUSTERS = """
INSERT INTO clusters (uuid, name, project_id, user_id, cluster_template_id, driver, engine, coe, keypair, labels,
    flavor_id, master_flavor_id, create_timeout, floating_ip_enabled, master_lb_enabled, spec, status, health_status,
    api_address, coe_version, stack_id)
SELECT gen_random_uuid()::text, 'cluster-' || n, $1, 'u', $2, 'kubernetes-ubuntu', 'kubernetes', 'kubernetes', 'mykey',
    '{"kube_tag": "v1.34.1", "network_driver": "calico"}', 'm1.small', 'm1.small', 60, false, false, '{}',
    'CREATE_COMPLETE', 'HEALTHY', 'https://10.0.0.5:6443', 'v1.34.1', gen_random_uuid()::text
FROM generate_series(1, $3::int) n
"""
_GROUPS = """
INSERT INTO nodegroups (uuid, cluster_id, project_id, name, role, is_default, flavor_id, image_id, node_count, status)
SELECT gen_random_uuid()::text, c.uuid, c.project_id, 'default-' || role, role, true, 'm1.small', 'ubuntu-24.04',
    CASE role WHEN 'master' THEN 1 ELSE 2 END, 'CREATE_COMPLETE'
FROM clusters c CROSS JOIN unnest(ARRAY['master', 'worker']) role WHERE c.project_id = $1
"""
_NODES = """
INSERT INTO nodes (uuid, cluster_id, nodegroup_id, name, role, index, shard, state, server_id, ip_address)
SELECT gen_random_uuid()::text, g.cluster_id, g.uuid, g.name || '-' || n, g.role, n, 0, 'joined',
    gen_random_uuid()::text, '10.0.0.' || n + 5
FROM nodegroups g CROSS JOIN LATERAL generate_series(0, g.node_count - 1) n WHERE g.project_id = $1
"""


async def fill(database: asyncpg.Connection, project: str, clusters: int) -> None:
    """Add complete clusters of one master and two workers.

    Args:
        project: ID of the Keystone project; it must have no clusters.
        clusters: number of clusters.
    """
    template = await database.fetchval(_TEMPLATE, project)
    await database.execute(_CLUSTERS, project, template, clusters)
    await database.execute(_GROUPS, project)
    await database.execute(_NODES, project)
