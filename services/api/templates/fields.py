"""The attributes of `POST /v1/clustertemplates`, with Magnum's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from jeroboam.driver import Engine, texts
from services.api.wire.errors import bad_request, invalid_field
from services.api.wire.fields import Field, anything, boolean, checked, integer, labels, one_of, string
from shared.drivers.registry import find_engine, supported_coes

_TEXT = {"type": ["string", "null"], "maxLength": 255}
_SWITCH = {"type": ["boolean", "null"]}
_SIZE = {"type": ["integer", "null"], "minimum": 1}

_MOST_SERVERS = 5  # Neutron's default of max_dns_nameservers

_READ_ONLY = ("links", "project_id", "user_id", "created_at", "updated_at")


def _coe(name: str, value: Any) -> str:
    known = supported_coes()
    if value not in known:
        raise invalid_field(name, value, f"Value should be one of: {', '.join(known)}")
    return str(value)


def _addresses(name: str, value: Any) -> str:
    servers: str = string(shortest=0)(name, value)
    try:
        found = [ip_address(server.strip()) for server in servers.split(",")]
    except ValueError:
        text = f"Expected a single dns address or comma separated dns list, but received {servers[:200]}."
        raise bad_request(text) from None
    # Neutron's rules for the name servers of a subnet.
    if any(server.version != 4 for server in found):
        raise invalid_field(name, servers, "The nodes' subnet is IPv4: value should be IPv4 addresses")
    if len(set(found)) < len(found) or len(found) > _MOST_SERVERS:
        raise invalid_field(name, servers, f"Value should be at most {_MOST_SERVERS} addresses, each once")
    return servers


FIELDS = [
    Field("uuid", string(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"), _TEXT),
    Field("name", string(), _TEXT),
    Field("coe", _coe, {"type": ["string", "null"]}),
    Field("image_id", string(), {"type": "string", "minLength": 1, "maxLength": 255}, mandatory=True),
    Field("flavor_id", string(), _TEXT),
    Field("master_flavor_id", string(), _TEXT),
    Field("dns_nameserver", _addresses, _TEXT),
    Field("keypair_id", string(), _TEXT),
    Field("external_network_id", string(), _TEXT),
    Field("fixed_network", string(), _TEXT),
    Field("fixed_subnet", string(), _TEXT),
    Field("network_driver", string(), _TEXT),
    Field("apiserver_port", integer(lowest=1024, highest=65535), {"type": ["integer", "null"]}),
    Field("docker_volume_size", integer(lowest=1), _SIZE),
    Field("docker_storage_driver", string(), _TEXT),
    Field("cluster_distro", string(), _TEXT),
    Field("http_proxy", checked(texts.proxy, string()), _TEXT),
    Field("https_proxy", checked(texts.proxy, string()), _TEXT),
    Field("no_proxy", checked(texts.no_proxy, string()), _TEXT),
    Field("volume_driver", string(), _TEXT),
    Field("registry_enabled", boolean, _SWITCH),
    Field("labels", labels, {"type": ["object", "null"]}),
    Field("tls_disabled", boolean, _SWITCH),
    Field("public", boolean, _SWITCH),
    Field("server_type", one_of("vm", "bm"), {"enum": ["vm", "bm", None]}),
    Field("insecure_registry", checked(texts.registry, string()), _TEXT),
    Field("master_lb_enabled", boolean, _SWITCH),
    Field("floating_ip_enabled", boolean, _SWITCH),
    Field("hidden", boolean, _SWITCH),
    Field("tags", string(shortest=0), _TEXT),
    Field("driver", string(), _TEXT),
    *(Field(name, anything, {}, read_only=True) for name in _READ_ONLY),
]

DEFAULTS: dict[str, Any] = {
    "labels": {},
    "registry_enabled": False,
    "tls_disabled": False,
    "public": False,
    "hidden": False,
    "server_type": "vm",
    "master_lb_enabled": False,
    "floating_ip_enabled": True,
}
# Columns of a template without a default; absent ones are null.
COLUMNS = tuple(field.name for field in FIELDS if not field.read_only)

_USED_BY_CLUSTERS = ("dns_nameserver", "http_proxy", "https_proxy", "no_proxy", "insecure_registry")


def check_stored(template: Mapping[str, Any]) -> None:
    """Check the texts of a stored template that clusters use; an earlier version may have accepted them.

    Raises:
        ApiError: 400, naming the attribute.
    """
    parsers = {field.name: field.parse for field in FIELDS}
    for name in _USED_BY_CLUSTERS:
        if template[name]:
            parsers[name](name, template[name])


def check_values(values: dict[str, Any]) -> None:
    """Magnum's checks of a template that need no query to the cloud, for POST and PATCH.

    Raises:
        ApiError: 400 with Magnum's message.
    """
    if not values.get("coe"):
        raise bad_request("Requested COE type Unset is not supported.")
    engine = find_engine(values["coe"])
    if engine is not None:
        _check_drivers(values, engine)
    size = values.get("docker_volume_size")
    if values.get("docker_storage_driver") == "devicemapper" and (size is None or size < 3):
        raise bad_request(
            f"docker volume size {size} GB is not valid, expecting minimum value 3GB for devicemapper storage driver."
        )


def _check_drivers(values: dict[str, Any], engine: Engine) -> None:
    """Check the network and volume driver against the engine, and set the default network driver."""
    if engine.network_drivers:
        values["network_driver"] = values.get("network_driver") or engine.network_drivers[0]
    for kind, known in (("network", engine.network_drivers), ("volume", engine.volume_drivers)):
        given = values.get(f"{kind}_driver")
        if given and given not in known and (known or kind == "volume"):
            raise bad_request(
                f"{kind.capitalize()} driver type {given} is not supported, expecting a "
                f"{'/'.join((*known, 'unspecified'))} {kind} driver."
            )
