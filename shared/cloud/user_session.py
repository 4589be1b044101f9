"""A user's session, configured as for all OpenStack clients: clouds.yaml, `OS_*`, or both.

Rule: openstacksdk reads the configuration, so every authentication method of `openstack` works here (application
credentials, tokens, federations). Only a token and the endpoint are used.
"""

from __future__ import annotations

from keystoneauth1 import exceptions as keystone
from openstack import exceptions as sdk
from openstack.config import OpenStackConfig

from shared.domain.errors import PermanentError

SERVICE_TYPE = "container-infra"


class UserSession:
    """Args:
    cloud: a name in clouds.yaml; None uses `OS_CLOUD` or `OS_*` variables.
    region: overrides that of the configuration.

    Raises:
        PermanentError: the configuration is missing or invalid.
    """

    def __init__(self, cloud: str | None = None, region: str | None = None) -> None:
        try:
            config = OpenStackConfig().get_one(cloud=cloud, region_name=region)
            self._session = config.get_session()
            self._interface = config.get_interface(SERVICE_TYPE) or "public"
            self._region = config.get_region_name(SERVICE_TYPE)
        except (sdk.SDKException, keystone.ClientException) as error:
            raise PermanentError(
                f"no cloud is configured: {error}. Select one in clouds.yaml with --os-cloud or OS_CLOUD, "
                "or set OS_AUTH_URL and the other OS_* variables."
            ) from error

    @property
    def verify(self) -> bool | str:
        """The value for `requests`: False, True, or a file of CA certificates."""
        verify = self._session.verify
        return True if verify is None else verify

    def endpoint(self) -> str:
        """The URL of the API, without `/v1`. Raises PermanentError if the catalogue has none."""
        try:
            url = self._session.get_endpoint(
                service_type=SERVICE_TYPE, interface=self._interface, region_name=self._region
            )
        except keystone.ClientException as error:
            raise PermanentError(f"cannot authenticate: {error}") from error
        if not url:
            raise PermanentError(f"the catalogue has no {SERVICE_TYPE} service ({self._interface} interface)")
        return str(url).rstrip("/").removesuffix("/v1")

    def token(self) -> str:
        """A valid token, renewed when it has expired."""
        try:
            return str(self._session.get_token())
        except keystone.ClientException as error:
            raise PermanentError(f"cannot authenticate: {error}") from error

    def invalidate(self) -> None:
        """Discard the token, because the API rejected it."""
        self._session.invalidate()
