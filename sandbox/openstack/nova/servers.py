"""The lifecycle of servers of the simulated Nova.

Rule: a server counts toward the quota and uses its ports as soon as it is requested. It becomes ACTIVE or ERROR after a
random delay; waiters use a future instead of polling.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any

from sandbox.openstack.cinder import Volumes
from sandbox.openstack.clock import Clock, iso
from sandbox.openstack.config import Latencies
from sandbox.openstack.faults import Faults
from sandbox.openstack.glance import Images
from sandbox.openstack.hypervisor import Hypervisor, Machine
from sandbox.openstack.neutron.api import Neutron
from sandbox.openstack.notifications import Tell, hostless_told, server_told, tell_nobody
from sandbox.openstack.nova import checks
from sandbox.openstack.nova.bare_metal import BareMetal, refuse, resource_class
from sandbox.openstack.nova.flavors import Flavors, fits_a_host
from sandbox.openstack.nova.keypairs import Keypairs, ServerGroups
from sandbox.openstack.nova.quotas import USER_DATA_LIMIT, Quotas
from sandbox.openstack.store import Row, Store, by, new_id
from sandbox.openstack.wire import ApiError
from shared.bus.oslo import ERROR

# Status -> Nova's vm_state, where it is not the same word.
VM_STATES = {"BUILD": "building", "SHUTOFF": "stopped", "REBUILD": "active", "RESIZE": "active"}
VM_STATES |= {"VERIFY_RESIZE": "resized"}
UNDER_WAY = frozenset({"BUILD", "REBUILD", "RESIZE"})
_NO_CALLBACK = "Timeout reached while waiting for callback for node"
NO_VALID_HOST = "No valid host was found. "


def vm_state(status: str) -> str:
    """Nova's word for the state behind a status."""
    return VM_STATES.get(status, status.lower())


class Servers:
    """Creates, runs and deletes servers."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        latencies: Latencies,
        faults: Faults,
        hypervisor: Hypervisor,
        neutron: Neutron,
        images: Images,
        volumes: Volumes,
        bare_metal: BareMetal,
        tell: Tell = tell_nobody,
    ) -> None:
        self._tell = tell
        self.rows = store.collection("servers", project=by("project_id"), name=by("name"))
        self.flavors = Flavors(store)
        self.quotas = Quotas(store)
        self.keypairs = Keypairs(store)
        self.groups = ServerGroups(store, self.quotas)
        self.clock = clock
        self.latencies = latencies
        self.faults = faults
        self.hypervisor = hypervisor
        self.neutron = neutron
        self.images = images
        self.volumes = volumes
        self.bare_metal = bare_metal
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def create(self, project_id: str, user_id: str, fields: dict[str, Any], hints: dict[str, Any]) -> Row:
        """A new server in BUILD.

        Args:
            project_id: its project.
            user_id: the user, who owns the key pairs.
            fields: the `server` object of Nova's API.
            hints: the scheduler hints.
        """
        checks.server(fields, limit=self.quotas.limits(project_id)["metadata_items"])
        flavor = self.flavors.find(str(fields.get("flavorRef")))
        if flavor is None:
            raise ApiError(400, f"Flavor {fields.get('flavorRef')} could not be found.")
        image_id = fields.get("imageRef") or None
        if image_id is not None and self.images.rows.get(image_id) is None:
            raise ApiError(400, f"Image {image_id} could not be found.")
        user_data = fields.get("user_data")
        if user_data is not None:
            _check_user_data(user_data)
        key_name = fields.get("key_name")
        if key_name and f"{user_id}/{key_name}" not in self.keypairs.rows:
            raise ApiError(400, "Invalid key_name provided.")
        group = self.groups.rows.get(hints.get("group")) if hints.get("group") else None
        if hints.get("group") and group is None:
            raise ApiError(400, "ServerGroup policy is not supported: ServerGroup not found.")
        if fields.get("block_device_mapping_v2"):
            refuse(flavor, "a volume")
        self.quotas.reserve(project_id, instances=1, cores=flavor["vcpus"], ram=flavor["ram"])
        row: Row = {
            "id": new_id(),
            "name": str(fields.get("name")),
            "status": "BUILD",
            "project_id": project_id,
            "user_id": user_id,
            "flavor": flavor["id"],
            "image": image_id,
            "metadata": {str(k): str(v) for k, v in (fields.get("metadata") or {}).items()},
            "key_name": key_name,
            "zone": fields.get("availability_zone") or "nova",
            "created": iso(),
            "updated": iso(),
            "fault": None,
            "tags": fields.get("tags") or [],
            "group": group["id"] if group else None,
            "user_data": user_data,
            "made_ports": [],
            "volumes": [],
            "deleting": False,
        }
        try:
            self._wire_up(row, fields)
        except ApiError:
            self.quotas.count(project_id, instances=-1, cores=-flavor["vcpus"], ram=-flavor["ram"])
            raise
        self.rows.add(row)
        if group is not None:
            self.groups.rows.update(group, members=[*group["members"], row["id"]])
        self.clock.start(self._boot(row["id"]), f"boot {row['id']}")
        return row

    def delete(self, row_id: str) -> None:
        """Start to delete a server, which takes a random delay."""
        row = self.rows.get(row_id)
        if row is None:
            raise ApiError(404, f"Instance {row_id} could not be found.")
        if row["deleting"]:
            return
        self.rows.update(row, deleting=True)
        self.hypervisor.stop(row_id, gone=True)
        self.clock.start(self._vanish(row_id), f"delete {row_id}")

    def resize(self, row: Row, name_or_id: str, *, then: str = "ACTIVE") -> None:
        """Change a server's flavor; it is stopped meanwhile and keeps its disk.

        Args:
            then: the status afterwards; Heat confirms a resize itself.
        """
        flavor, old = self.flavors.find(name_or_id), self.flavors.rows.rows[row["flavor"]]
        refuse(old, "resize")
        if flavor is None or not fits_a_host(flavor):
            raise ApiError(400, "No valid host was found. No valid host found for resize")
        if flavor["id"] == old["id"]:
            return
        self.quotas.reserve(row["project_id"], cores=flavor["vcpus"] - old["vcpus"], ram=flavor["ram"] - old["ram"])
        self.rows.update(row, flavor=flavor["id"])
        self._interrupt(row, "RESIZE", gone=False, then=then)

    def rebuild(self, row: Row, name_or_id: str) -> None:
        """Change a server's image; ID, addresses and user data are kept, the disk is empty."""
        image = self.images.find(name_or_id)
        if image is None:
            raise ApiError(400, f"Image {name_or_id} could not be found.")
        if image["id"] != row["image"]:
            self.start_again(row, image["id"])

    def start_again(self, row: Row, image_id: str, *, then: str = "ACTIVE") -> None:
        """Rebuild a server, also with the image that it has."""
        self.rows.update(row, image=image_id, fault=None)
        self._interrupt(row, "REBUILD", gone=True, then=then)

    async def settled(self, row_id: str) -> None:
        """Wait until a server is no longer being built, rebuilt or resized, or is deleted."""
        row = self.rows.get(row_id)
        if row is not None and row["status"] in UNDER_WAY:
            await self._wait(row_id)

    async def gone(self, row_id: str) -> None:
        """Wait until a server that is being deleted no longer exists."""
        while row_id in self.rows:
            await self._wait(row_id)

    def resume(self) -> None:
        """After a restart: compute usage, resume builds and deletes, start running servers."""
        self.bare_metal.resume()
        for group in self.groups.rows:
            self.quotas.count(group["project_id"], server_groups=1)
        for row in self.rows:
            flavor = self.flavors.rows.rows[row["flavor"]]
            self.quotas.count(row["project_id"], instances=1, cores=flavor["vcpus"], ram=flavor["ram"])
            if row["deleting"]:
                self.clock.start(self._vanish(row["id"]), f"delete {row['id']}")
            elif row["status"] in UNDER_WAY:
                # A deployment begins again on the machine that the server has.
                self.clock.start(self._boot(row["id"]), f"boot {row['id']}")
            elif row["status"] in ("ACTIVE", "VERIFY_RESIZE"):
                self.hypervisor.start(self.machine(row))

    def machine(self, row: Row) -> Machine:
        """The description of a server for the hypervisor."""
        text = base64.b64decode(row["user_data"] or "").decode(errors="replace")
        addresses = tuple(
            ip["ip_address"]
            for port in self.neutron.state.ports.where("device_id", row["id"])
            for ip in port["fixed_ips"]
        )
        return Machine(row["id"], row["name"], text, addresses, dict(row["metadata"]))

    async def _boot(self, row_id: str) -> None:
        problem = await self._deploy(row_id)
        row = self.rows.get(row_id)
        if row is None or row["deleting"]:
            return
        if problem is not None:
            fault = {"code": 500, "created": iso(), "message": problem}
            self.rows.update(row, status="ERROR", updated=iso(), fault=fault)
            self._tell_of_failure(row, problem)
        else:
            then = row.get("then", "ACTIVE")
            done = {"REBUILD": "rebuild", "RESIZE": "finish_resize"}.get(row["status"], "create")
            self.rows.update(row, status=then, updated=iso(), launched=iso(micro=True))
            for port in self.neutron.state.ports.where("device_id", row_id):
                self.neutron.state.ports.update(port, status="ACTIVE")
            self.tell(row, f"{done}.end")
            if then != "SHUTOFF":
                self.hypervisor.start(self.machine(row))
        self._wake(row_id)

    async def _deploy(self, row_id: str) -> str | None:
        """Give a server its host, which takes a while; the message of the fault if that fails."""
        row = self.rows.get(row_id)
        if row is None:
            return None
        name, flavor = row["name"], self.flavors.rows.rows[row["flavor"]]
        hostless = self.faults.behaves("no_valid_host", name)
        wanted = resource_class(flavor)
        if wanted is None:
            await asyncio.sleep(self.clock.between(self.latencies.server) * self.faults.slowness(name))
            return NO_VALID_HOST if hostless or not fits_a_host(flavor) else None
        machine = None if hostless else self.bare_metal.claim(row_id, wanted, row["zone"])
        if machine is None:
            return f"{NO_VALID_HOST}There are not enough hosts available."
        for port in self.neutron.state.ports.where("device_id", row_id):
            self.neutron.ports.update(port, {"binding:vnic_type": "baremetal", "binding:host_id": machine["id"]})
        await asyncio.sleep(self.clock.between(self.latencies.deploy) * self.faults.slowness(name))
        if machine["server"] != row_id:
            return None  # the server was deleted meanwhile
        works = not self.faults.behaves("deploy_fails", name)
        self.bare_metal.settle(machine, works=works)
        return None if works else f"Failed to provision instance {row_id}: {_NO_CALLBACK} {machine['id']}"

    def _interrupt(self, row: Row, status: str, *, gone: bool, then: str = "ACTIVE") -> None:
        """Stop the machine and start it again; `gone` is whether it loses its disk."""
        self.hypervisor.stop(row["id"], gone=gone)
        # A resize and a rebuild at the same time are one interruption.
        under_way = row["status"] in UNDER_WAY
        self.rows.update(row, status=status, updated=iso(), then=then)
        if not under_way:
            self.clock.start(self._boot(row["id"]), f"{status} {row['id']}")

    async def _vanish(self, row_id: str) -> None:
        await self.clock.wait(self.latencies.server_delete)
        row = self.rows.get(row_id)
        if row is None:
            return
        for port in self.neutron.state.ports.where("device_id", row_id):
            if port["id"] in row["made_ports"]:
                self.neutron.ports.delete(port["id"])
            else:
                self.neutron.ports.update(port, {"device_id": "", "device_owner": ""})
        self.volumes.release(row_id)
        self.bare_metal.release(row_id)
        group = self.groups.rows.get(row["group"])
        if group is not None:
            self.groups.rows.update(group, members=[one for one in group["members"] if one != row_id])
        flavor = self.flavors.rows.rows[row["flavor"]]
        self.quotas.count(row["project_id"], instances=-1, cores=-flavor["vcpus"], ram=-flavor["ram"])
        self.rows.remove(row_id)
        self._tell(server_told(row, "delete.end", "deleted"))
        self._wake(row_id)

    def tell(self, row: Row, action: str) -> None:
        """Send a notification about a server as it is now, e.g. `power_off.end`."""
        self._tell(server_told(row, action, vm_state(row["status"])))

    def _tell_of_failure(self, row: Row, problem: str) -> None:
        if problem.startswith(NO_VALID_HOST):
            self._tell(hostless_told(row, problem))
        else:
            self._tell(server_told(row, "create.error", "error", level=ERROR))
        self.tell(row, "update")

    def _wire_up(self, row: Row, fields: dict[str, Any]) -> None:
        networks = fields.get("networks")
        if networks in (None, "auto"):
            own = self.neutron.state.networks.where("project", row["project_id"])
            networks = [{"uuid": own[0]["id"]}] if len(own) == 1 else []
        elif networks == "none":
            networks = []
        ports = []
        for one in networks:
            if one.get("port"):
                port = self.neutron.state.ports.get(one["port"])
                if port is None:
                    raise ApiError(400, f"Port {one['port']} could not be found.")
                if port["device_id"]:
                    raise ApiError(409, f"Port {port['id']} is still in use.")
            else:
                wanted: dict[str, Any] = {"network_id": one.get("uuid")}
                if one.get("fixed_ip"):
                    wanted["fixed_ips"] = [{"ip_address": one["fixed_ip"]}]
                port = self.neutron.ports.create(row["project_id"], wanted)
                row["made_ports"].append(port["id"])
            ports.append(port)
        for port in ports:
            owner = {"device_id": row["id"], "device_owner": f"compute:{row['zone']}", "status": "DOWN"}
            self.neutron.ports.update(port, {**owner, "binding:host_id": "simulated"})
        row["volumes"] = self.volumes.attach_all(
            row["project_id"], row["id"], fields.get("block_device_mapping_v2") or []
        )

    def _name(self, row_id: str) -> str:
        row = self.rows.get(row_id)
        return row["name"] if row else ""

    async def _wait(self, row_id: str) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(row_id, []).append(future)
        await future

    def _wake(self, row_id: str) -> None:
        for future in self._waiting.pop(row_id, []):
            if not future.done():
                future.set_result(None)


def _check_user_data(text: Any) -> None:
    try:
        raw = base64.b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise ApiError(400, "Invalid input for field/attribute user_data. Value: not Base64.") from error
    if len(str(text)) > USER_DATA_LIMIT:
        raise ApiError(400, f"User data too large: {len(raw)} bytes; at most {USER_DATA_LIMIT} Base64 characters.")
