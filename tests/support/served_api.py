"""The API on a real port, at the address that a simulated cloud's catalogue names; services' work is done by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
import uvicorn
from sqlalchemy import func, update

from sandbox.openstack.config import CloudConfig
from sandbox.openstack.testing import TestCloud, running_cloud
from services.api.app import create_app
from services.api.deps import Deps
from shared.db.models import Cluster, Nodegroup, Operation, ServiceHeartbeat
from shared.domain.states import LIVE, OperationState
from shared.drivers.registry import find_driver
from shared.pki.cluster_secrets import ensure_cluster_secrets


def cloud_config(port: int) -> CloudConfig:
    """A quick cloud whose catalogue says the API is on that port."""
    return CloudConfig(scale=0.1, agents=False, container_infra_url=f"http://127.0.0.1:{port}/v1")


def cloud_fixture(port: int) -> Any:
    """A fixture, to be named `openstack`: that cloud."""

    @pytest.fixture
    async def openstack() -> AsyncIterator[TestCloud]:
        async with running_cloud(cloud_config(port)) as cloud:
            yield cloud

    return openstack


def api_fixture(port: int, *, provisioner: bool = False) -> Any:
    """A fixture, to be named `api`: the API on that port; with `provisioner`, one has just been heard of."""

    @pytest.fixture
    async def api(deps: Deps) -> AsyncIterator[Deps]:
        if provisioner:
            async with deps.db.transaction() as session:
                session.add(ServiceHeartbeat(process_id="1", service="provisioner", host="machine:7"))
        async with served(deps, port) as running:
            yield running

    return api


@asynccontextmanager
async def served(deps: Deps, port: int, *, opened: bool = False) -> AsyncIterator[Deps]:
    """The API while the block lasts. Args: opened: another application has opened `deps`, and closes them."""
    lifespan: Literal["on", "off"] = "off" if opened else "on"
    config = uvicorn.Config(create_app(deps), host="127.0.0.1", port=port, log_config=None, lifespan=lifespan)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    try:
        yield deps
    finally:
        server.should_exit = True
        await serving


async def finish(deps: Deps, cluster: str, status: str = "CREATE_COMPLETE") -> None:
    """What a service would have done by now: the live operation ended well, keys and an address are there."""
    driver = find_driver("kubernetes", "ubuntu", "vm")
    assert driver is not None
    await ensure_cluster_secrets(
        deps.db, deps.sealer, cluster_id=cluster, cluster_name="c1", kinds=driver.engine.secrets
    )
    async with deps.db.transaction() as session:
        live = (Operation.cluster_id == cluster, Operation.state.in_(LIVE))
        ended = {"state": OperationState.SUCCEEDED, "finished_at": func.now(), "lease_token": None, "lease_until": None}
        await session.execute(update(Operation).where(*live).values(ended))
        address = {"api_address": "https://203.0.113.7:6443", "base_outputs": {"api_address": "203.0.113.7"}}
        await session.execute(update(Cluster).where(Cluster.uuid == cluster).values(status=status, **address))
        await session.execute(update(Nodegroup).where(Nodegroup.cluster_id == cluster).values(status=status))
