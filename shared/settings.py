"""All settings of all services, from the environment (`JEROBOAM_*`) or a `.env` style file.

Rule: one class, read once at start and passed on; secrets are `SecretStr`. A wrong value stops the process with the
name of the setting. Nested cloud settings are `JEROBOAM_CLOUD__AUTH_URL` and so on.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.cloud.settings import CloudSettings


class Settings(BaseSettings):
    """Seconds unless a name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="JEROBOAM_", env_nested_delimiter="__", extra="ignore")

    database_url: SecretStr = Field(description="postgresql+asyncpg://... (libpq's form is accepted too)")
    database_pool_size: int = Field(default=10, ge=1, le=200)
    amqp_url: SecretStr | None = Field(default=None, description="RabbitMQ; without it the Postgres-backed bus is used")
    cloud: CloudSettings
    openstack_notification_url: SecretStr | None = Field(
        default=None, description="OpenStack's own RabbitMQ, to hear Heat instead of only asking it"
    )
    openstack_notification_exchanges: list[str] = ["heat"]

    public_url: str = Field(default="http://127.0.0.1:9511", description="this API as nodes and users reach it")
    public_ca_file: Path | None = Field(default=None, description="CA nodes must trust to reach public_url over TLS")
    secret_keys: list[SecretStr] = Field(
        min_length=1, description="envelope keys for secrets at rest (32 bytes, URL-safe base64); the first one seals"
    )

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=9511, ge=1, le=65535)
    api_tls_cert: Path | None = None
    api_tls_key: Path | None = None
    api_max_limit: int = Field(default=1000, ge=1)
    policy_file: Path | None = None
    max_clusters_per_project: int = Field(default=20, ge=0)
    max_nodes_per_cluster: int = Field(default=2000, ge=1)

    service_host: str = Field(default="127.0.0.1", description="where a service's health and metrics listen")
    service_port: int = Field(default=0, ge=0, le=65535, description="0: no health endpoint")

    cni_manifests: dict[str, str] = Field(
        default={}, description="network driver -> URL of a manifest, for clusters that bring none of their own"
    )
    nodes_per_stack: int = Field(default=50, ge=1, le=200)
    stack_concurrency: int = Field(default=8, ge=1, description="stacks sent to Heat at once by one operation")
    create_timeout_minutes: int = Field(default=60, ge=1, description="deadline when the user gives none")
    delete_timeout_minutes: int = Field(default=60, ge=1)
    node_join_timeout_minutes: int = Field(
        default=30, ge=1, description="server built, agent silent: failed after this"
    )
    node_command_timeout_minutes: int = Field(
        default=70, ge=1, description="a command no agent answered: failed after this"
    )

    drain_timeout_seconds: int = Field(
        default=600, ge=1, le=3600, description="emptying the nodes that go; after this they go all the same"
    )

    lease_seconds: float = Field(default=60, gt=1)
    poll_seconds: float = Field(default=2, gt=0, description="longest time until due work is seen without a wake-up")
    operation_concurrency: int = Field(default=32, ge=1, description="operations one process works on at once")
    shutdown_seconds: float = Field(default=15, gt=0)

    log_level: str = "info"
    log_format: str = Field(default="json", pattern="^(json|console)$")

    @field_validator("database_url")
    @classmethod
    def _asyncpg_dialect(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        scheme, separator, rest = url.partition("://")
        if not separator or not scheme.startswith("postgres"):
            raise ValueError("must be a postgresql:// URL")
        return SecretStr(f"postgresql+asyncpg://{rest}")
