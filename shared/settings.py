"""All settings of all services, from the environment (`JEROBOAM_*`) and from a directory of files.

Rule: settings are one class, which is read once at start and passed on; secrets are `SecretStr`. The process does not
start with an invalid value, and the error names the setting. Nested cloud settings are `JEROBOAM_CLOUD__AUTH_URL` and
so on. Each setting can instead be a file in the directory `JEROBOAM_SECRETS_DIR`, with the variable's name in upper or
lower case; a variable takes precedence over a file.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, IPvAnyNetwork, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from shared.audit_settings import AuditSettings
from shared.cloud.settings import CloudSettings
from shared.limit_settings import LimitSettings, RetentionSettings
from shared.notification_settings import NotificationSettings

SECRETS_DIR = "JEROBOAM_SECRETS_DIR"


class WebhookSettings(BaseModel):
    """`JEROBOAM_WEBHOOKS__*`: where webhooks may point to, and how deliveries are sent."""

    allow_http: bool = Field(default=False, description="permit http:// URLs, on port 80 and on `ports`")
    ports: list[str] = Field(default=["443"], description="permitted ports and ranges of ports, e.g. 8000-8999")
    allowed_networks: list[IPvAnyNetwork] = Field(
        default=[], description="networks that are permitted although they are not public"
    )
    denied_networks: list[IPvAnyNetwork] = Field(default=[], description="networks that are refused in any case")
    allowed_hosts: list[str] = Field(default=[], description="host:port that are permitted whatever their addresses")
    ca_file: Path | None = Field(default=None, description="CA certificates to accept besides those of the system")
    max_per_project: int = Field(default=20, ge=0)
    timeout_seconds: float = Field(default=15, gt=0, le=60, description="limit for one attempt, including DNS")
    retry_seconds: list[float] = Field(
        default=[5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400],
        max_length=50,
        description="delays between the attempts of a delivery; the last attempt follows the last delay",
    )
    disable_after_hours: float = Field(
        default=120, gt=0, description="a webhook without a success for this long is disabled"
    )
    concurrency: int = Field(default=16, ge=1, le=1000, description="requests to one receiver at the same time")
    process_concurrency: int = Field(default=1000, ge=1, description="requests of one process at the same time")
    catch_up_rate: float = Field(
        default=50, gt=0, description="deliveries a second to a receiver that has recovered, until it caught up"
    )
    lease_seconds: float = Field(default=20, gt=1, description="how long a dead process keeps its webhooks claimed")
    secret_overlap_hours: float = Field(default=24, ge=0, description="how long an old secret signs after a rotation")
    retention_days: float = Field(default=14, gt=0, description="how long deliveries and attempts are kept")

    @field_validator("ports")
    @classmethod
    def _ranges(cls, value: list[str]) -> list[str]:
        for text in value:
            first, _, last = text.partition("-")
            if not (first.isdigit() and (last or first).isdigit() and 1 <= int(first) <= int(last or first) <= 65535):
                raise ValueError(f"{text!r} is not a port or a range of ports")
        return value


class MagnumNotificationSettings(NotificationSettings):
    """`JEROBOAM_MAGNUM_NOTIFICATIONS__*`: Magnum's own notifications about clusters."""

    exchange: str = Field(default="magnum", min_length=1, max_length=127)


class StreamSettings(BaseModel):
    """`JEROBOAM_STREAMS__*`: event streams and long polls. All limits are for one process of the API."""

    max_per_user: int = Field(default=50, ge=1, description="event streams that one user has open")
    max_per_project: int = Field(default=500, ge=1, description="event streams that one project has open")
    max_per_process: int = Field(default=6000, ge=1, description="event streams that are open")
    max_polls_per_node: int = Field(default=4, ge=1, description="long polls that one node has open")
    max_polls_per_process: int = Field(default=20000, ge=1, description="long polls that are open")
    pool_size: int = Field(default=4, ge=2, le=100, description="database connections that read the event log")
    queue_events: int = Field(default=500, ge=1, description="events that wait for a stream before it is cut")
    queue_bytes: int = Field(default=262144, ge=65536, description="bytes that wait for a stream before it is cut")
    write_seconds: float = Field(default=30, gt=0, description="a client that takes nothing for this long is cut")
    heartbeat_seconds: float = Field(default=15, gt=0, le=60, description="longest silence of a stream")
    seconds: float = Field(
        default=3600, gt=0, description="when a stream ends and its client reconnects, plus or minus 20 %"
    )


class Settings(BaseSettings):
    """Durations are in seconds unless the name gives another unit."""

    model_config = SettingsConfigDict(env_prefix="JEROBOAM_", env_nested_delimiter="__", extra="ignore")

    database_url: SecretStr = Field(description="postgresql+asyncpg://... (the form of libpq is also accepted)")
    database_pooler_url: SecretStr | None = Field(
        default=None, description="the same database through a pooler in transaction mode, for everything but LISTEN"
    )
    database_pool_size: int = Field(default=10, ge=1, le=200)
    amqp_url: SecretStr | None = Field(default=None, description="URL of RabbitMQ; if unset, the bus runs on Postgres")
    cloud: CloudSettings
    openstack_notification_url: SecretStr | None = Field(
        default=None, description="RabbitMQ of OpenStack, to receive the notifications of Heat, Nova and Neutron"
    )
    openstack_notification_more_urls: list[SecretStr] = Field(
        default=[], max_length=50, description="further ones, e.g. those of Nova's cells"
    )
    openstack_notification_exchanges: list[str] = Field(
        default=["heat", "nova", "neutron", "octavia", "openstack"], max_length=20
    )
    openstack_notification_topics: list[str] = Field(
        default=["notifications", "versioned_notifications"], max_length=20
    )
    openstack_notification_queue: str = Field(
        default="jeroboam.openstack.v2",
        pattern=r"^jeroboam\.[A-Za-z0-9_.-]{1,200}$",
        description="the queue of this deployment; two deployments on one OpenStack need two",
    )
    magnum_notifications: MagnumNotificationSettings = MagnumNotificationSettings()

    public_url: str = Field(default="http://127.0.0.1:9511", description="URL at which nodes and users reach this API")
    public_url_allow_http: bool = Field(
        default=False, description="accept http in public_url although bootstraps, which contain keys, go through it"
    )
    public_ca_file: Path | None = Field(default=None, description="CA certificate that nodes need to verify public_url")
    nodes_ca_file: Path | None = Field(
        default=None,
        description="certificates of authorities (PEM) that nodes trust besides those of their system, for registries "
        "and proxies; read when a node joins",
    )
    secret_keys: list[SecretStr] = Field(
        min_length=1,
        description="keys that encrypt secrets at rest (32 bytes, URL-safe base64); the first one encrypts",
    )

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=9511, ge=1, le=65535)
    api_tls_cert: Path | None = None
    api_tls_key: Path | None = None
    api_max_limit: int = Field(default=1000, ge=1)
    cors_allowed_origins: list[str] = Field(
        default=[], description="origins whose web pages may use the API, as a JSON list; '*' for all"
    )
    trusted_proxies: list[str] = Field(
        default=["127.0.0.1"], description="addresses whose X-Forwarded-For and -Proto are believed"
    )
    node_proofs: list[Literal["address", "console"]] = Field(
        default=["address", "console"],
        description="how a machine proves that a one-time token is its own: by its address, or by what it writes to "
        "its console; an empty list accepts a token from anywhere",
    )
    policy_file: Path | None = None
    max_clusters_per_project: int = Field(default=20, ge=0)
    max_nodes_per_cluster: int = Field(default=2000, ge=1)
    max_prometheus_tokens_per_project: int = Field(default=20, ge=0)

    preflight_cache_seconds: float = Field(
        default=60,
        ge=0,
        le=3600,
        description="how long flavors, images, networks and key pairs are cached; 0: not at all",
    )
    preflight_quota_seconds: float = Field(
        default=5, ge=0, le=60, description="how long the quotas of the cloud are cached; 0: not at all"
    )
    preflight_promise_seconds: float = Field(
        default=60,
        ge=0,
        le=3600,
        description="how long an accepted request counts against quotas while the cloud does not report its resources",
    )
    preflight_cache_size: int = Field(default=4096, ge=1, description="answers of the cloud that are cached at most")

    service_host: str = Field(default="127.0.0.1", description="address on which a service serves health and metrics")
    service_port: int = Field(
        default=0, ge=0, le=65535, description="port for health and metrics; 0 disables the endpoint"
    )

    cni_manifests: dict[str, str] = Field(
        default={}, description="network driver -> URL of a manifest, for clusters that specify none"
    )
    sweep_minutes: float = Field(
        default=5, gt=0, description="how often a project is searched for resources of deleted clusters"
    )
    orphans_remove_after_minutes: float | None = Field(
        default=None, ge=0, description="resources of deleted clusters are removed after this time; unset: only told of"
    )
    nodes_per_stack: int = Field(default=50, ge=1, le=200)
    stack_concurrency: int = Field(default=8, ge=1, description="stacks that one operation changes in parallel")
    create_timeout_minutes: int = Field(default=60, ge=1, description="deadline of a create if the request has none")
    delete_timeout_minutes: int = Field(default=60, ge=1)
    node_join_timeout_minutes: int = Field(
        default=30, ge=1, description="time for the agent of a new server to report before the node fails"
    )
    node_command_timeout_minutes: int = Field(
        default=70, ge=1, description="time for an agent to answer a command before it fails"
    )

    disabled_drivers: list[str] = Field(
        default=[], description="drivers that are not used, as a JSON list of their names"
    )
    enabled_beta_drivers: list[str] = Field(default=[], description="beta drivers that are used nevertheless")
    enabled_drivers: list[str] = Field(default=[], description="the only drivers that are used; empty: all")
    driver_distributions: dict[str, str] = Field(
        default={}, description="driver -> the package whose driver is used where several have one of the name"
    )

    heartbeat_seconds: float = Field(
        default=60, gt=0, le=3600, description="interval of the agents' heartbeats; a node is silent after three"
    )
    client_health_seconds: float = Field(
        default=180, ge=0, description="how long the health that a client writes takes precedence over our own"
    )

    drain_timeout_seconds: int = Field(
        default=600, ge=1, le=3600, description="timeout for draining; after it, nodes are removed anyway"
    )

    audit: AuditSettings = AuditSettings()
    webhooks: WebhookSettings = WebhookSettings()
    streams: StreamSettings = StreamSettings()
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()

    lease_seconds: float = Field(default=60, gt=1)
    poll_seconds: float = Field(default=2, gt=0, description="longest delay of due work when no notification arrives")
    operation_concurrency: int = Field(default=32, ge=1, description="operations that one process runs in parallel")
    shutdown_seconds: float = Field(default=15, gt=0)

    log_level: str = "info"
    log_format: str = Field(default="json", pattern="^(json|console)$")
    log_burst: int = Field(default=20, ge=1, description="lines of one kind that are logged at once; then one a second")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read files after variables. Raises SettingsError if `JEROBOAM_SECRETS_DIR` is set and not a directory."""
        files = NestedSecretsSettingsSource(
            file_secret_settings, secrets_dir=os.environ.get(SECRETS_DIR) or None, secrets_dir_missing="error"
        )
        return init_settings, env_settings, dotenv_settings, files

    @model_validator(mode="after")
    def _keys_are_encrypted_on_the_way(self) -> Self:
        url = urlsplit(self.public_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("public_url: must be an http or https URL")
        if url.scheme == "http" and not self.public_url_allow_http and not _is_loopback(url.hostname):
            raise ValueError(
                "public_url: nodes fetch keys from it, so it must be https; set JEROBOAM_PUBLIC_URL_ALLOW_HTTP=true to "
                "accept http, e.g. on a network that encrypts"
            )
        return self

    @field_validator("database_url", "database_pooler_url")
    @classmethod
    def _asyncpg_dialect(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = value.get_secret_value()
        scheme, separator, rest = url.partition("://")
        if not separator or not scheme.startswith("postgres"):
            raise ValueError("must be a postgresql:// URL")
        return SecretStr(f"postgresql+asyncpg://{rest}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
