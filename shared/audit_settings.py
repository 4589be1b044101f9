"""Settings of the audit log: `JEROBOAM_AUDIT__*` (docs/audit.md). All limits are for one process of the API."""

from __future__ import annotations

from pydantic import BaseModel, Field, SecretStr


class AuditSettings(BaseModel):
    """`JEROBOAM_AUDIT__*`: which requests are recorded, and where the records are sent besides the event log."""

    enabled: bool = Field(default=False, description="record requests that change something; one event each")
    refusals_per_address: float = Field(
        default=1, gt=0, description="refused requests of one address that are recorded in a second, in the long run"
    )
    refusals: float = Field(default=20, gt=0, description="the same of all addresses")
    burst_seconds: float = Field(default=20, ge=1, description="how many seconds' worth may be recorded at once")
    url: SecretStr | None = Field(default=None, description="RabbitMQ to which CADF notifications are sent; none: not")
    exchange: str = Field(default="openstack", min_length=1, max_length=127)
    topics: list[str] = Field(default=["notifications"], min_length=1, max_length=10)
    host: str = Field(
        default="", max_length=200, description="host in `publisher_id`; by default, the name of this host"
    )
    hold_minutes: float = Field(
        default=60, ge=0, description="how long a record waits for an exchange that does not exist"
    )
