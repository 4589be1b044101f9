"""A simulated cloud for tests, with credentials.

Rule: each test gets its own cloud with short latencies, and uses the names of seeded users and projects.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sandbox.openstack.app import RunningCloud, running
from sandbox.openstack.cloud import EXTERNAL_NETWORK, SimulatedCloud
from sandbox.openstack.config import CloudConfig
from sandbox.openstack.hypervisor import Hypervisor
from sandbox.openstack.identity.people import PASSWORD, PROJECTS, USERS, known_id

QUICK = CloudConfig(scale=0.1, agents=False)


@dataclass(frozen=True, slots=True)
class TestCloud:
    """The URL and credentials of a cloud.

    All users have the same `password`; `user_ids` and `project_ids` map names to ids.
    """

    __test__ = False

    url: str
    auth_url: str
    cloud: SimulatedCloud
    password: str = PASSWORD
    user_ids: dict[str, str] = field(default_factory=lambda: {name: known_id("user", name) for name in USERS})
    project_ids: dict[str, str] = field(default_factory=lambda: {name: known_id("project", name) for name in PROJECTS})
    service_user: str = "jeroboam"
    service_project: str = "service"
    image: str = "ubuntu-24.04"
    flavor: str = "m1.small"
    external_network: str = EXTERNAL_NETWORK

    def environment(self, user: str = "demo", project: str = "demo") -> dict[str, str]:
        """OS_* variables of a user in a project, for command line clients."""
        return {
            "OS_AUTH_URL": self.auth_url,
            "OS_USERNAME": user,
            "OS_PASSWORD": self.password,
            "OS_PROJECT_NAME": project,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_IDENTITY_API_VERSION": "3",
            "OS_REGION_NAME": self.cloud.config.region,
        }


@asynccontextmanager
async def running_cloud(config: CloudConfig = QUICK, hypervisor: Hypervisor | None = None) -> AsyncIterator[TestCloud]:
    """A cloud served in this process during the context."""
    async with running(config, hypervisor) as served:
        yield describe(served)


def describe(served: RunningCloud) -> TestCloud:
    """Describe a running cloud for tests."""
    return TestCloud(url=served.url, auth_url=served.auth_url, cloud=served.cloud)
