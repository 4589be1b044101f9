"""A user's own session, as every OpenStack client makes it: clouds.yaml, `OS_*`, or both.

Rule: openstacksdk reads the configuration, so whatever works for `openstack` works here (application credentials,
tokens, federations); we only ask it for a token and the endpoint of the service type.
"""

from __future__ import annotations

from keystoneauth1 import exceptions as keystone
from openstack import exceptions as sdk
from openstack.config import OpenStackConfig

from shared.domain.errors import PermanentError

SERVICE_TYPE = "container-infra"


class UserSession:
    """Args:
    cloud: a name in clouds.yaml; None takes `OS_CLOUD` or plain `OS_*` variables.
    region: overrides the configuration's.

    Raises:
        PermanentError: no usable configuration, in words for a terminal.
    """

    def __init__(self, cloud: str | None = None, region: str | None = None) -> None:
        try:
            config = OpenStackConfig().get_one(cloud=cloud, region_name=region)
            self._session = config.get_session()
            self._interface = config.get_interface(SERVICE_TYPE) or "public"
            self._region = config.get_region_name(SERVICE_TYPE)
        except (sdk.SDKException, keystone.ClientException) as error:
            raise PermanentError(
                f"no cloud to talk to: {error}. Name one of clouds.yaml with --os-cloud or OS_CLOUD, "
                "or set OS_AUTH_URL and the other OS_* variables."
            ) from error

    @property
    def verify(self) -> bool | str:
        """As `requests` takes it: False, True, or a file of CA certificates."""
        verify = self._session.verify
        return True if verify is None else verify

    def endpoint(self) -> str:
        """The API's root, without `/v1`. Raises PermanentError when the catalogue has none."""
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
        """A valid token, renewed when it has run out."""
        try:
            return str(self._session.get_token())
        except keystone.ClientException as error:
            raise PermanentError(f"cannot authenticate: {error}") from error

    def invalidate(self) -> None:
        """Forget the token: the API refused it."""
        self._session.invalidate()
