"""Settings of `OpenStackCloudFactory`: endpoints, service user, limits.

Rule: settings are one frozen value, created at start from the process's settings; `shared.cloud` does not read the
environment. Durations are in seconds.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class CloudSettings(BaseModel):
    """Keystone's URL, the service user, and the limits of calls.

    Args:
        auth_url: Keystone's v3 root, e.g. `https://keystone.example.org/v3`; `/v3` is added if it is missing.
        username: Jeroboam's service user; needs `admin` in `project_name` to validate tokens and to assign roles.
        region: region of the catalogue; None uses the first.
        interface: interface of the endpoints.
        cacert: file with the CA certificates of the cloud's APIs; None uses those of the system.
        insecure: do not verify the cloud's certificates (only for tests).
        connect_timeout: timeout for opening a connection.
        call_timeout: timeout for one call, including its wait for a thread.
        threads: number of concurrent SDK calls; openstacksdk is synchronous.
        connections: number of projects whose sessions (token, catalogue) are cached.
        token_cache_seconds: how long a validated token is cached.
        negative_cache_seconds: how long an invalid token is cached.
        token_cache_size: number of tokens that are cached; as many invalid ones besides.
        token_timeout: time for the validation of a token, with its wait for a turn.
        token_concurrency: tokens that Keystone is asked about at the same time.
        token_queue: tokens that wait for their turn; beyond, requests with unknown tokens are refused.
        assign_role: assign `service_roles` to the service user in a project on first use. If False, the operator must
            create an inherited assignment.
        service_roles: the roles that Jeroboam needs in a cluster's project, e.g. `member` and `load-balancer_member`.
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
    token_timeout: float = Field(default=10.0, gt=0)
    token_concurrency: int = Field(default=32, ge=1, le=1000)
    token_queue: int = Field(default=200, ge=0)
    assign_role: bool = True
    service_roles: tuple[str, ...] = ("member",)

    @field_validator("auth_url")
    @classmethod
    def _with_version(cls, value: str) -> str:
        url = value.rstrip("/")
        return url if url.endswith("/v3") else f"{url}/v3"

    @property
    def verify(self) -> bool | str:
        """The value for `requests`: False, True, or a file of CA certificates."""
        return False if self.insecure else (self.cacert or True)
