"""Where notifications in OpenStack's form are sent (`services.notifier.notices`)."""

from __future__ import annotations

from pydantic import BaseModel, Field, SecretStr


class NotificationSettings(BaseModel):
    """One kind of notifications; off without a URL."""

    url: SecretStr | None = Field(default=None, description="RabbitMQ to which they are sent; none: not")
    exchange: str = Field(default="openstack", min_length=1, max_length=127)
    topics: list[str] = Field(default=["notifications"], min_length=1, max_length=10)
    host: str = Field(
        default="", max_length=200, description="host in `publisher_id`; by default, the name of this host"
    )
    hold_minutes: float = Field(
        default=60, ge=0, description="how long an event waits for an exchange that does not exist"
    )
