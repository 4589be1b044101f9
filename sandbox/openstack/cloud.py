"""Assembles the simulated cloud from one store, one clock and seven services.

Rule: dependencies between services are defined only here and passed as arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.openstack import cinder, glance, octavia
from sandbox.openstack.clock import Clock
from sandbox.openstack.config import CloudConfig
from sandbox.openstack.faults import Faults
from sandbox.openstack.heat import api as heat_api
from sandbox.openstack.heat.engine import Engine
from sandbox.openstack.heat.resources.resource import Services
from sandbox.openstack.heat.stacks import Stacks
from sandbox.openstack.hypervisor import Hypervisor
from sandbox.openstack.identity import api as identity_api
from sandbox.openstack.identity.directory import DirectoryApi
from sandbox.openstack.identity.people import People, known_id
from sandbox.openstack.identity.tokens import Tokens
from sandbox.openstack.neutron import api as neutron_api
from sandbox.openstack.notifications import Notifications, tell_nobody
from sandbox.openstack.nova import api as nova_api
from sandbox.openstack.nova.bare_metal import BareMetal
from sandbox.openstack.nova.flavors import BARE_METAL
from sandbox.openstack.nova.servers import Servers
from sandbox.openstack.persistence import Snapshot
from sandbox.openstack.store import Store
from sandbox.openstack.wire import ApiError, Route

EXTERNAL_NETWORK = "public"
EXTERNAL_CIDR = "127.100.0.0/16"


@dataclass(frozen=True, slots=True)
class Service:
    """An API: its routes and its error format."""

    name: str
    routes: list[Route]
    render_error: Callable[[ApiError], Any]


class SimulatedCloud:
    """The cloud behind the HTTP interface.

    Args:
        config: see `CloudConfig`.
        faults: injected faults.
        hypervisor: what runs ACTIVE servers.
    """

    def __init__(self, config: CloudConfig, faults: Faults, hypervisor: Hypervisor) -> None:
        self.config = config
        self.hypervisor = hypervisor
        self.store = Store()
        self.notifications = Notifications(config.notification_url) if config.notification_url else None
        tell = self.notifications or tell_nobody
        self.clock = Clock(config.seed, config.scale)
        self.faults = faults
        self.people = People(self.store)
        self.tokens = Tokens(self.store, self.people, config.token_seconds)
        self.images = glance.Images(self.store)
        self.volumes = cinder.Volumes(self.store)
        self.neutron = neutron_api.Neutron(self.store, tell)
        self.bare_metal = BareMetal(self.store, self.clock, config.latencies, self.faults, config.bare_metal)
        self.servers = Servers(
            self.store,
            self.clock,
            config.latencies,
            self.faults,
            hypervisor,
            self.neutron,
            self.images,
            self.volumes,
            self.bare_metal,
            tell,
        )
        self.octavia = octavia.Octavia(self.store, self.clock, config.latencies, self.neutron)
        self.stacks = Stacks(self.store, tell)
        services = Services(
            self.clock, config.latencies, self.neutron, self.servers, self.images, self.volumes, self.octavia
        )
        self.engine = Engine(self.stacks, services, self.faults, config.parallelism)
        self.snapshot = Snapshot(self.store, config.data_dir) if config.data_dir else None

    def services(self) -> dict[str, Service]:
        """The APIs by the first part of their path."""
        tokens = identity_api.TokenApi(self.config, self.people, self.tokens)
        directory = DirectoryApi(self.config, self.people)
        heat = heat_api.Heat(self.stacks, self.engine)
        nova = nova_api.Nova(self.servers)
        return {
            "identity": Service("identity", [*tokens.routes(), *directory.routes()], identity_api.render_error),
            "orchestration": Service("orchestration", heat.routes(), heat_api.render_error),
            "compute": Service("compute", nova.routes(), nova_api.render_error),
            "network": Service("network", self.neutron.routes(), neutron_api.render_error),
            "image": Service("image", self.images.routes(), glance.render_error),
            "volume": Service("volume", self.volumes.routes(), cinder.render_error),
            "load-balancer": Service("load-balancer", self.octavia.routes(), octavia.render_error),
        }

    def start(self) -> None:
        """Read the snapshot, add missing seed data, resume interrupted work."""
        if self.snapshot is not None:
            self.snapshot.load()
        self._seed()
        if self.config.faults_file is not None:
            self.faults.load(self.config.faults_file)
        if self.snapshot is not None:
            self.clock.start(self.snapshot.keep_writing(), "snapshot")
        if self.notifications is not None:
            self.clock.start(self.notifications.run(), "notifications")
        self.servers.resume()
        self.engine.resume()

    async def close(self) -> None:
        """End all work, then write the last snapshot."""
        await self.hypervisor.close()
        await self.clock.close()
        if self.snapshot is not None:
            await self.snapshot.close()

    def _seed(self) -> None:
        self.people.seed()
        self.images.seed()
        self.servers.flavors.seed()
        self.bare_metal.seed([flavor[-1] for flavor in BARE_METAL])
        self.servers.keypairs.seed([known_id("user", name) for name in ("demo", "alt")])
        admin = known_id("project", "admin")
        if not self.neutron.state.networks.count("name", EXTERNAL_NETWORK):
            network = self.neutron.networks.create_network(
                admin, {"name": EXTERNAL_NETWORK, "router:external": True, "provider:network_type": "flat"}
            )
            # Loopback addresses, so that tests can serve on a floating IP.
            self.neutron.networks.create_subnet(
                admin,
                {
                    "name": f"{EXTERNAL_NETWORK}-subnet",
                    "network_id": network["id"],
                    "cidr": EXTERNAL_CIDR,
                    "enable_dhcp": False,
                },
            )
