"""Fill a Magnum database through a real Magnum's own code; run by the Python that has that Magnum, of Zed or later.

    python magnum_rows.py CONFIGURATION PROJECT USER STACK [--create-tables]

CONFIGURATION is a magnum.conf with the database. Rows are made with Magnum's objects and certificates by its
conductor's code, so what is in the database is what that release puts there. Prints the cluster's uuid.
"""

from __future__ import annotations

import sys

from magnum import objects
from magnum.common import context as magnum_context
from magnum.common import exception
from magnum.conductor.handlers.common import cert_manager
from magnum.conf import CONF


def main(configuration: str, project: str, user: str, stack: str, *, create_tables: bool) -> str:
    CONF([], project="magnum", default_config_files=[configuration])
    if create_tables:
        # Magnum's migrations run on MySQL only; its models are what they lead to.
        from magnum.db.sqlalchemy import models
        from sqlalchemy import create_engine

        models.Base.metadata.create_all(create_engine(CONF.database.connection))
    context = magnum_context.make_admin_context()
    context.project_id, context.user_id = project, user
    owner = {"project_id": project, "user_id": user}
    template = objects.ClusterTemplate(
        context,
        **owner,
        name="k8s-fcos",
        image_id="fedora-coreos",
        flavor_id="m1.small",
        master_flavor_id="m1.small",
        external_network_id="public",
        network_driver="flannel",
        dns_nameserver="8.8.8.8",
        cluster_distro="fedora-coreos",
        coe="kubernetes",
        server_type="vm",
        labels={"kube_tag": "v1.23.3-rancher1"},
        docker_volume_size=5,
        tls_disabled=False,
        public=False,
        hidden=False,
        registry_enabled=False,
        master_lb_enabled=False,
        floating_ip_enabled=True,
    )
    template.create()
    cluster = objects.Cluster(
        context,
        **owner,
        name="from-magnum",
        cluster_template_id=template.uuid,
        keypair="lab",
        labels={"kube_tag": "v1.23.3-rancher1"},
        flavor_id="m1.small",
        master_flavor_id="m1.small",
        create_timeout=60,
        stack_id=stack,
        api_address="https://203.0.113.20:6443",
        status="CREATE_COMPLETE",
        status_reason="Stack CREATE completed successfully",
        health_status="HEALTHY",
        health_status_reason={"api": "ok"},
        coe_version="v1.23.3-rancher1",
    )
    # Releases that knew trusts recorded one for each cluster; later ones have no such field.
    if "trust_id" in cluster.fields:
        cluster.trust_id, cluster.trustee_user_id = "trust-of-the-cluster", "trustee-of-the-cluster"
    cert_manager.generate_certificates_to_cluster(cluster, context=context)
    cluster.create()
    for role, count, address in (("master", 1, "10.0.0.11"), ("worker", 2, "10.0.0.12")):
        objects.NodeGroup(
            context,
            name=f"default-{role}",
            cluster_id=cluster.uuid,
            project_id=project,
            role=role,
            is_default=True,
            node_count=count,
            min_node_count=1 if role == "master" else 0,
            node_addresses=[address] * count,
            flavor_id="m1.small",
            image_id="fedora-coreos",
            labels={"kube_tag": "v1.23.3-rancher1"},
            stack_id=stack,
            status="CREATE_COMPLETE",
        ).create()
    try:
        objects.Quota(context, project_id=project, resource="Cluster", hard_limit=7).create()
    except exception.QuotaAlreadyExists:
        pass  # from an earlier run on the same database
    objects.Federation(
        context,
        name="both",
        project_id=project,
        hostcluster_id=cluster.uuid,
        member_ids=[cluster.uuid],
        properties={"dns-zone": "example.org"},
        status="CREATE_IN_PROGRESS",
    ).create()
    return str(cluster.uuid)


if __name__ == "__main__":
    print(main(*sys.argv[1:5], create_tables="--create-tables" in sys.argv[5:]))
