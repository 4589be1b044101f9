"""Settings of the audit log: `JEROBOAM_AUDIT__*` (docs/audit.md). All limits are for one process of the API."""

from __future__ import annotations

from pydantic import Field

from shared.notification_settings import NotificationSettings


class AuditSettings(NotificationSettings):
    """`JEROBOAM_AUDIT__*`: which requests are recorded, and where CADF notifications of the records are sent."""

    enabled: bool = Field(default=False, description="record requests that change something; one event each")
    refusals_per_address: float = Field(
        default=1, gt=0, description="refused requests of one address that are recorded in a second, in the long run"
    )
    refusals: float = Field(default=20, gt=0, description="the same of all addresses")
    burst_seconds: float = Field(default=20, ge=1, description="how many seconds' worth may be recorded at once")
