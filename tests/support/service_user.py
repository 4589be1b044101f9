"""Jeroboam's service user in a simulated cloud."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from sandbox.openstack.testing import TestCloud
from shared.cloud.settings import CloudSettings


def service_user_of(cloud: TestCloud, **more: Any) -> CloudSettings:
    """The settings with which Jeroboam acts in a cloud. Args: more: others that a test needs."""
    return CloudSettings(
        auth_url=cloud.auth_url,
        username=cloud.service_user,
        password=SecretStr(cloud.password),
        project_name=cloud.service_project,
        **more,
    )
