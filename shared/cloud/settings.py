"""How to reach the cloud and as whom: everything `OpenStackCloudFactory` needs to know.

Rule: one frozen value, made once at start from the process's settings; nothing in `shared.cloud` reads the
environment, so a test hands in what it wants. Seconds throughout.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class CloudSettings(BaseModel):
    """Keystone's address, the service user, and the limits of every call.

    Args:
        auth_url: Keystone's v3 root, e.g. `https://keystone.example.org/v3`; `/v3` is added where it is missing.
        username: Jeroboam's own service user; needs `admin` in `project_name` to validate tokens and to assign roles.
        region: region of the catalogue to use; None takes the first.
        interface: which of a service's endpoints we call.
        cacert: file with the CA certificates of the cloud's APIs; None means the system's.
        insecure: do not verify the cloud's certificates (laboratories only).
        connect_timeout: for opening one connection.
        call_timeout: for one call, its wait for a thread included.
        threads: how many SDK calls may run at once; openstacksdk is synchronous.
        connections: how many projects' sessions (token, catalogue) are kept.
        token_cache_seconds: the longest a validated token is believed without asking Keystone again.
        negative_cache_seconds: the same for a token that Keystone called invalid.
        assign_role: give the service user `service_roles` in a project on first use. Where False, an operator has
            made an inherited assignment.
        service_roles: what Jeroboam needs in a cluster's project, e.g. `member` and `load-balancer_member`.
    """

    model_config = ConfigDict(frozen=True)

    auth_url: str
    username: str
    password: SecretStr
    user_domain_name: str = "Default"
    project_name: str = "service"
    project_domain_name: str = "Default"
    region: str | None = None
    interface: Literal["public", "internal", "admin"] = "public"
    cacert: str | None = None
    insecure: bool = False
    connect_timeout: float = Field(default=5.0, gt=0)
    call_timeout: float = Field(default=60.0, gt=0)
    threads: int = Field(default=16, ge=1, le=256)
    connections: int = Field(default=512, ge=1)
    token_cache_seconds: float = Field(default=300.0, ge=0, le=300)
    negative_cache_seconds: float = Field(default=10.0, ge=0)
    token_cache_size: int = Field(default=4096, ge=1)
    assign_role: bool = True
    service_roles: tuple[str, ...] = ("member",)

    @field_validator("auth_url")
    @classmethod
    def _with_version(cls, value: str) -> str:
        url = value.rstrip("/")
        return url if url.endswith("/v3") else f"{url}/v3"

    @property
    def verify(self) -> bool | str:
        """As `requests` takes it: False, True, or a file of CA certificates."""
        return False if self.insecure else (self.cacert or True)
