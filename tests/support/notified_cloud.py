"""The simulated cloud with its notifications, and what Jeroboam's monitor makes of them, in one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy import select, text, update

from sandbox.openstack.notifications import Told
from sandbox.openstack.testing import QUICK, TestCloud, running_cloud
from services.monitor.openstack import OpenStackEvents
from services.monitor.quick_looks import QuickLooks
from shared.bus.notifications import NotificationListener, Source
from shared.cloud.sdk import OpenStackCloudFactory
from shared.db.engine import Database
from shared.db.models import Cluster, Node, Nodegroup
from tests.support.scaler_stage import Stage, make_stage
from tests.support.service_user import service_user_of


@dataclass
class Watched:
    """One cluster whose nodes have servers in the cloud."""

    cloud: TestCloud
    stage: Stage
    database: Database
    told: dict[tuple[str, str], float]  # (server, event type) -> when the cloud told of it

    @property
    def project_id(self) -> str:
        return self.cloud.project_ids["demo"]

    async def give_servers(self) -> dict[str, str]:
        """New servers for all nodes, which are as if they had joined; node -> server."""
        async with self.database.transaction() as session:
            nodes = list(await session.scalars(select(Node).order_by(Node.name)))
        made = {node.name: self.make_server(node) for node in nodes}
        servers = self.cloud.cloud.servers
        for server_id in made.values():
            await servers.settled(server_id)
        async with self.database.transaction() as session:
            for node in nodes:
                row = servers.rows.rows[made[node.name]]
                state: dict[str, Any] = {"state": "joined", "loss": None, "reason": None, "server_status": "ACTIVE"}
                launched = text("now() - interval '1 second'")
                await session.execute(
                    update(Node)
                    .where(Node.uuid == node.uuid)
                    .values(server_id=row["id"], launched_at=launched, last_report_at=launched, **state)
                )
        return made

    def make_server(self, node: Node, flavor: str = "m1.small") -> str:
        metadata = {"jeroboam_cluster": node.cluster_id, "jeroboam_node": node.uuid}
        flavor_id = self.cloud.cloud.servers.flavors.find(flavor)
        image = self.cloud.cloud.images.find(self.cloud.image)
        assert flavor_id
        assert image
        fields = {"name": node.name, "flavorRef": flavor_id["id"], "imageRef": image["id"], "networks": "none"}
        row = self.cloud.cloud.servers.create(
            self.project_id, self.cloud.user_ids["demo"], fields | {"metadata": metadata}, {}
        )
        return str(row["id"])


@asynccontextmanager
async def watched(database: Database, database_url: str, broker: str) -> AsyncIterator[Watched]:
    """A cluster of eight nodes, and a listener to the notifications of their cloud."""
    told: dict[tuple[str, str], float] = {}
    async with running_cloud(replace(QUICK, notification_url=broker)) as cloud:
        _remember(cloud, told)
        clouds = OpenStackCloudFactory(service_user_of(cloud))
        stage = await make_stage(database, database_url, clouds)
        scene = Watched(cloud, stage, database, told)
        async with database.transaction() as session:
            await session.execute(update(Cluster).values(project_id=scene.project_id))
            await session.execute(update(Nodegroup).values(project_id=scene.project_id))
        quick = QuickLooks(database, clouds, stage.context.sealer)
        name = f"jeroboam.test-{uuid4().hex[:8]}"
        listener = NotificationListener(
            Source(broker, ["heat", "nova", "neutron"], queue=name), OpenStackEvents(database, quick)
        )
        # The services' first notifications make their exchanges.
        for exchange in ("heat", "nova", "neutron"):
            assert cloud.cloud.notifications
            cloud.cloud.notifications(Told(exchange, "notifications", "x", "test.start", {}))
        running = asyncio.create_task(listener.run())
        try:
            async with asyncio.timeout(30):
                await listener.listening.wait()
            # As after the full look with which the monitor begins: there is a token for the project.
            await clouds.for_project(scene.project_id).find_server("x")
            yield scene
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await quick.close()
            await clouds.close()


def _remember(cloud: TestCloud, told: dict[tuple[str, str], float]) -> None:
    simulated = cloud.cloud
    send = simulated.notifications
    assert send is not None

    def tell(one: Told) -> None:
        data = one.payload.get("nova_object.data", {})
        server = data.get("uuid") or data.get("instance_uuid")
        if server:
            told[server, one.event_type] = time.monotonic()
        send(one)

    simulated.servers._tell = tell


class EventWatch:
    """When each node's event could be read by others, by the node's name; the first one since `seen` was cleared.

    Args:
        event: the events' type.
    """

    def __init__(self, database_url: str, event: str = "node.failed.v1") -> None:
        self._url = database_url.replace("postgresql+asyncpg", "postgresql")
        self._event = event
        self.seen: dict[str, float] = {}
        self._after = 0

    async def run(self) -> None:
        """Look every ten milliseconds, until cancelled."""
        connection = await asyncpg.connect(self._url)
        try:
            while True:
                rows = await connection.fetch(
                    "SELECT seq, data->>'name' AS name FROM events WHERE type = $2 AND seq > $1 ORDER BY seq",
                    self._after,
                    self._event,
                )
                for row in rows:
                    self.seen.setdefault(row["name"], time.monotonic())
                    self._after = row["seq"]
                await asyncio.sleep(0.01)
        finally:
            await connection.close()

    async def until(self, names: set[str], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not names <= self.seen.keys():
            assert time.monotonic() < end, f"not told of: {names - self.seen.keys()}"
            await asyncio.sleep(0.005)
