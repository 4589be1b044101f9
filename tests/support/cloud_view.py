"""What the simulated cloud holds, read as its administrator reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic import SecretStr

from sandbox.layout import PASSWORD, Layout
from shared.cloud.names import cluster_tag
from shared.cloud.sdk import OpenStackCloudFactory
from shared.cloud.settings import CloudSettings
from tests.support.client import issue_token


@asynccontextmanager
async def cloud_of(layout: Layout) -> AsyncIterator[OpenStackCloudFactory]:
    settings = CloudSettings(auth_url=layout.auth_url, username="jeroboam", password=SecretStr(PASSWORD))
    clouds = OpenStackCloudFactory(settings)
    try:
        yield clouds
    finally:
        await clouds.close()


async def stacks_of(clouds: OpenStackCloudFactory, project: str, cluster: str) -> Counter[str]:
    """Stack name -> how many stacks of that name carry the cluster's tag."""
    found = await clouds.for_project(project).list_stacks(tag=cluster_tag(cluster))
    return Counter(stack.name for stack in found)


async def credentials_of(layout: Layout, cluster: str) -> list[str]:
    """Names of the application credentials that Jeroboam's user has for a cluster."""
    token = await issue_token(layout.auth_url, "jeroboam", "service")
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=30) as client:
        user = (await client.get(f"{layout.auth_url}/auth/tokens")).json()["token"]["user"]["id"]
        answer = (await client.get(f"{layout.auth_url}/users/{user}/application_credentials")).json()
    return [found["name"] for found in answer["application_credentials"] if cluster in found["name"]]


async def left_behind(clouds: OpenStackCloudFactory, project: str, cluster: str) -> list[str]:
    found = await clouds.for_project(project).inventory(cluster_id=cluster)
    return [f"{item.kind} {item.name or item.id}" for item in found]
