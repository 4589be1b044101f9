"""Rows for kernel tests: a template, a cluster, its nodes; made by hand, without an API or a cloud."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from jeroboam.driver import ClusterSpec
from shared.db.models import Cluster, ClusterTemplate, Nodegroup, Operation
from shared.domain.ids import new_id
from shared.domain.states import OperationKind
from shared.operations.specs import stored
from shared.operations.start import start_operation


async def make_cluster(session: AsyncSession, *, project_id: str = "p1", nodes: int = 0) -> Cluster:
    """A cluster with one nodegroup `default-master`, in CREATE_COMPLETE."""
    template = ClusterTemplate(
        uuid=new_id(), name="t", project_id=project_id, user_id="u1", coe="kubernetes", image_id="ubuntu", labels={}
    )
    session.add(template)
    await session.flush()
    cluster_id = new_id()
    spec = ClusterSpec(
        uuid=cluster_id,
        name="c",
        project_id=project_id,
        coe="kubernetes",
        os_distro="ubuntu",
        server_type="vm",
        labels={},
        external_network_id="ext",
    )
    cluster = Cluster(
        uuid=cluster_id,
        name="c",
        project_id=project_id,
        user_id="u1",
        cluster_template_id=template.uuid,
        driver="kubernetes-ubuntu",
        engine="kubernetes",
        coe="kubernetes",
        labels={},
        floating_ip_enabled=True,
        master_lb_enabled=False,
        spec=stored(spec, {}),
        status="CREATE_COMPLETE",
        event_sequence=0,
    )
    session.add(cluster)
    await session.flush()
    session.add(
        Nodegroup(
            uuid=new_id(),
            cluster_id=cluster_id,
            project_id=project_id,
            name="default-master",
            role="master",
            is_default=True,
            flavor_id="m1",
            image_id="ubuntu",
            operating_system="ubuntu",
            hardware="vm",
            node_count=nodes,
            status="CREATE_COMPLETE",
        )
    )
    await session.flush()
    return cluster


async def make_creating(session: AsyncSession) -> tuple[Cluster, Operation]:
    """A cluster and its create, which was accepted and has an hour."""
    cluster = await make_cluster(session)
    operation = await start_operation(
        session, cluster=cluster, kind=OperationKind.CREATE, user_id="u", request_id=None, timeout=timedelta(hours=1)
    )
    return cluster, operation
