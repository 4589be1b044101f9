"""Resource types of Nova, Cinder and Heat.

Rule: a failed server has Heat's error message, which contains Nova's fault. As in Heat, user data is passed unchanged
only with the format `RAW`.
"""

from __future__ import annotations

import base64
import secrets
import string
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any, ClassVar

from sandbox.openstack.heat.resources.resource import Context, Properties, ResourceFailed, ResourceType, named
from sandbox.openstack.nova.bare_metal import refuse
from sandbox.openstack.store import new_id
from sandbox.openstack.wire import ApiError


class Server(ResourceType):
    """OS::Nova::Server"""

    name = "OS::Nova::Server"
    required = frozenset({"flavor"})
    optional = frozenset(
        {"name", "image", "networks", "user_data", "user_data_format", "metadata", "key_name", "availability_zone",
         "scheduler_hints", "block_device_mapping", "block_device_mapping_v2", "security_groups", "config_drive",
         "tags", "admin_pass", "personality", "diskConfig", "flavor_update_policy", "image_update_policy",
         "user_data_update_policy", "software_config_transport", "deployment_swift_data", "reservation_id"}
    )  # fmt: skip
    rebuilt_by = frozenset({"user_data_format", "key_name", "availability_zone", "block_device_mapping_v2"})
    # The template defines how Heat updates these; the default comes first.
    policies: ClassVar = {
        "flavor": ("flavor_update_policy", "RESIZE"),
        "image": ("image_update_policy", "REBUILD"),
        "user_data": ("user_data_update_policy", "REPLACE"),
    }

    def check(self, context: Context, properties: Properties) -> None:
        """Flavor and image must exist."""
        flavor, image = properties.get("flavor"), properties.get("image")
        if isinstance(flavor, str) and context.services.servers.flavors.find(flavor) is None:
            raise ValueError(
                "flavor", f"Error validating value '{flavor}': No Flavor matching {{'name': '{flavor}'}}. (HTTP 404)"
            )
        if isinstance(image, str) and image and context.services.images.find(image) is None:
            raise ValueError(
                "image", f"Error validating value '{image}': No image matching {{'name': '{image}'}}. (HTTP 404)"
            )

    def create(self, context: Context, properties: Properties) -> str:
        """A server in BUILD."""
        services = context.services
        image = services.images.find(str(properties["image"])) if properties.get("image") else None
        if properties.get("image") and image is None:
            raise ApiError(400, f"Image {properties['image']} could not be found.")
        fields: dict[str, Any] = {
            "name": properties.get("name") or context.default_name,
            "flavorRef": str(properties["flavor"]),
            "imageRef": image["id"] if image else None,
            "networks": [self._network(context, one) for one in properties.get("networks") or []] or None,
            "metadata": properties.get("metadata") or {},
            "availability_zone": properties.get("availability_zone"),
            "key_name": properties.get("key_name"),
            "tags": properties.get("tags") or [],
            "block_device_mapping_v2": [self._device(one) for one in properties.get("block_device_mapping_v2") or []],
        }
        if properties.get("user_data"):
            fields["user_data"] = _encoded(str(properties["user_data"]), properties.get("user_data_format"))
        hints = properties.get("scheduler_hints") or {}
        return str(services.servers.create(context.project_id, context.user_id, fields, hints)["id"])

    async def wait(self, context: Context, physical_id: str) -> None:
        """Wait until ACTIVE; fails if the server is in ERROR or was deleted."""
        servers = context.services.servers
        await servers.settled(physical_id)
        row = servers.rows.get(physical_id)
        if row is None or row["deleting"]:
            raise ResourceFailed("ResourceInError", 'Went to status DELETED due to "Unknown"')
        if row["status"] == "ERROR":
            fault = row["fault"] or {"message": "Unknown", "code": "Unknown"}
            raise ResourceFailed(
                "ResourceInError",
                f'Went to status ERROR due to "Message: {fault["message"]}, Code: {fault["code"]}"',
            )

    def update(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Name and metadata change in place, a flavor by resizing, an image by rebuilding."""
        servers = context.services.servers
        row = servers.rows.get(physical_id)
        if row is None:
            raise ApiError(404, f"Instance {physical_id} could not be found.")
        name = properties.get("name") or row["name"]
        metadata = {str(key): str(value) for key, value in (properties.get("metadata") or {}).items()}
        servers.rows.update(row, name=name, metadata=metadata)
        servers.resize(row, str(properties["flavor"]))
        if properties.get("image"):
            servers.rebuild(row, str(properties["image"]))

    def replaces(self, changed: set[str], properties: Properties) -> bool:
        """Whether the update policies of flavor, image and user data require a replacement."""
        return super().replaces(changed, properties) or any(
            key in changed and properties.get(policy, default) == "REPLACE"
            for key, (policy, default) in self.policies.items()
        )

    def before_replacement(self, context: Context, physical_id: str) -> None:
        """Detach the template's ports from the old server, so that the new one can use them."""
        row = context.services.servers.rows.get(physical_id)
        if row is None:
            return
        neutron = context.services.neutron
        for port in neutron.state.ports.where("device_id", physical_id):
            if port["id"] not in row["made_ports"]:
                neutron.ports.update(port, {"device_id": "", "device_owner": ""})

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Start to delete it."""
        context.services.servers.delete(physical_id)

    async def wait_gone(self, context: Context, physical_id: str) -> None:
        """Wait until it no longer exists in Nova."""
        await context.services.servers.gone(physical_id)

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        """Name, addresses and networks."""
        services = context.services
        row = services.servers.rows.get(physical_id)
        if row is None:
            return {}
        networks: dict[str, list[str]] = {}
        addresses: dict[str, list[dict[str, Any]]] = {}
        for port in services.neutron.state.ports.where("device_id", physical_id):
            network = services.neutron.state.networks.get(port["network_id"])
            for key in filter(None, (port["network_id"], network["name"] if network else None)):
                for ip in port["fixed_ips"]:
                    networks.setdefault(key, []).append(ip["ip_address"])
                    addresses.setdefault(key, []).append({"addr": ip["ip_address"], "port": port["id"], "version": 4})
        first = next((listed[0] for listed in networks.values() if listed), "")
        show = {key: row[key] for key in ("id", "name", "status", "metadata")}
        return {"name": row["name"], "networks": networks, "addresses": addresses, "first_address": first, "show": show}

    @staticmethod
    def _network(context: Context, one: dict[str, Any]) -> dict[str, Any]:
        if one.get("port"):
            return {"port": one["port"]}
        wanted = str(one.get("network") or one.get("uuid"))
        row = named(context.services.neutron.state.networks, wanted, context.project_id)
        if row is None:
            raise ApiError(400, f"Network {wanted} could not be found.")
        return {"uuid": row["id"], "fixed_ip": one.get("fixed_ip")}

    @staticmethod
    def _device(one: dict[str, Any]) -> dict[str, Any]:
        """Convert Heat's block device mapping to Nova's format."""
        source = next((key for key in ("volume_id", "image", "image_id", "snapshot_id") if one.get(key)), None)
        local = source is None or one.get("ephemeral_size") or one.get("swap_size")
        return {
            "source_type": {"volume_id": "volume", "snapshot_id": "snapshot"}.get(source or "", "image"),
            "destination_type": "local" if local else "volume",
            "uuid": one.get(source) if source else None,
            "volume_size": one.get("volume_size"),
            "delete_on_termination": one.get("delete_on_termination", source != "volume_id"),
        }


class ServerGroup(ResourceType):
    """OS::Nova::ServerGroup"""

    name = "OS::Nova::ServerGroup"
    optional = frozenset({"name", "policies", "rules"})
    rebuilt_by = frozenset({"name", "policies", "rules"})

    def create(self, context: Context, properties: Properties) -> str:
        """A server group."""
        policy = (properties.get("policies") or ["anti-affinity"])[0]
        name = properties.get("name") or context.default_name
        return str(context.services.servers.groups.create(context.project_id, context.user_id, name, policy)["id"])

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete it."""
        context.services.servers.groups.delete(physical_id)


class Volume(ResourceType):
    """OS::Cinder::Volume"""

    name = "OS::Cinder::Volume"
    optional = frozenset(
        {"name", "size", "description", "metadata", "image", "volume_type", "availability_zone", "snapshot_id",
         "source_volid", "read_only", "scheduler_hints", "backup_id"}
    )  # fmt: skip
    rebuilt_by = frozenset({"image", "volume_type", "availability_zone", "size"})

    def create(self, context: Context, properties: Properties) -> str:
        """A volume."""
        fields = {"name": context.default_name, **properties}
        if properties.get("image"):
            image = context.services.images.find(str(properties["image"]))
            fields["imageRef"] = image["id"] if image else properties["image"]
        return str(context.services.volumes.create(context.project_id, fields)["id"])

    async def wait(self, context: Context, physical_id: str) -> None:
        """Until it is available."""
        await context.services.clock.wait(context.services.latencies.volume)

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete it."""
        context.services.volumes.delete(physical_id)


class VolumeAttachment(ResourceType):
    """OS::Cinder::VolumeAttachment"""

    name = "OS::Cinder::VolumeAttachment"
    required = frozenset({"instance_uuid", "volume_id"})
    optional = frozenset({"mountpoint"})
    rebuilt_by = frozenset({"instance_uuid", "volume_id", "mountpoint"})

    def create(self, context: Context, properties: Properties) -> str:
        """Attach the volume to the server; the ID is that of the volume."""
        servers = context.services.servers
        row = servers.rows.get(str(properties["instance_uuid"]))
        if row is None:
            raise ApiError(404, f"Instance {properties['instance_uuid']} could not be found.")
        refuse(servers.flavors.rows.rows[row["flavor"]], "attaching a volume")
        volume = str(properties["volume_id"])
        context.services.volumes.attach(volume, row["id"])
        servers.rows.update(row, volumes=[*row["volumes"], volume])
        return volume

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Detach it."""
        context.services.volumes.detach(physical_id)


class RandomString(ResourceType):
    """OS::Heat::RandomString; the value is the physical ID, so it needs no separate storage."""

    name = "OS::Heat::RandomString"
    optional = frozenset({"length", "character_classes", "character_sequences", "salt"})
    rebuilt_by = optional

    def create(self, context: Context, properties: Properties) -> str:
        """Letters and digits."""
        alphabet = string.ascii_letters + string.digits
        return "".join(secrets.choice(alphabet) for _ in range(int(properties.get("length") or 32)))

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        """The value."""
        return {"value": physical_id}


class Nothing(ResourceType):
    """OS::Heat::None"""

    name = "OS::Heat::None"

    def create(self, context: Context, properties: Properties) -> str:
        """Nothing but an id."""
        return new_id()


def _encoded(text: str, form: Any) -> str:
    if form not in {"RAW", "SOFTWARE_CONFIG"}:
        wrapped = MIMEMultipart()
        wrapped.attach(MIMEText(text, "plain", "us-ascii" if text.isascii() else "utf-8"))
        text = wrapped.as_string()
    return base64.b64encode(text.encode()).decode()


TYPES: tuple[ResourceType, ...] = (
    Server(),
    ServerGroup(),
    Volume(),
    VolumeAttachment(),
    RandomString(),
    Nothing(),
)
