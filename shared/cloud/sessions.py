"""Sessions and connections of the SDK.

Rule: all projects share one pool of sockets and one cache of version documents, so the first call in a project costs
only one additional request, for the token. Every request has a connect and a read timeout, which callers cannot omit.
The SDK, which takes 0.7 s of CPU time to import, is imported with the first connection, not when a process starts.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import requests
from keystoneauth1 import access, session
from keystoneauth1.access import AccessInfoV3
from keystoneauth1.identity import V3Password
from keystoneauth1.identity.access import AccessInfoPlugin
from keystoneauth1.identity.base import BaseIdentityPlugin
from requests.adapters import HTTPAdapter

from shared.cloud.errors import Forbidden
from shared.cloud.fence import write_limit
from shared.cloud.settings import CloudSettings

if TYPE_CHECKING:
    from openstack.connection import Connection


class TimeoutAdapter(HTTPAdapter):
    """Sets (connect, read) timeouts for every request, overriding those of the caller.

    Nothing of ours comes between this and the socket, so it is also where writes are checked against their lease.
    """

    def __init__(self, timeouts: tuple[float, float], pool_size: int) -> None:
        self._timeouts = timeouts
        super().__init__(pool_connections=16, pool_maxsize=pool_size)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        connect, read = self._timeouts
        # A token is not a change of the cloud, and reads need one.
        if not str(request.url).endswith("/auth/tokens") and (limit := write_limit(str(request.method))) is not None:
            connect, read = min(connect, limit), min(read, limit)
        kwargs["timeout"] = (connect, read)
        return super().send(request, *args, **kwargs)


class Sessions:
    """Creates and caches connections: as the service user in a project, or with a given token.

    Thread-safe, because connections are created and used in the threads of `Calls`.
    """

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Connection] = OrderedDict()
        self._discovery: dict[str, Any] = {}
        self._http = requests.Session()
        self._http.trust_env = False
        adapter = TimeoutAdapter((settings.connect_timeout, settings.call_timeout), settings.threads)
        self._http.mount("http://", adapter)
        self._http.mount("https://", adapter)

    def for_project(self, project_id: str) -> Connection:
        """The service user's connection in a project."""
        return self._keep(project_id, lambda: self._service_user(project_id))

    def for_service(self) -> Connection:
        """The service user's connection in its own project."""
        return self._keep("service", self._service_user)

    def _service_user(self, project_id: str | None = None) -> V3Password:
        settings = self._settings
        return V3Password(
            auth_url=settings.auth_url,
            username=settings.username,
            password=settings.password.get_secret_value(),
            user_domain_name=settings.user_domain_name,
            project_id=project_id,
            project_name=None if project_id else settings.project_name,
            project_domain_name=None if project_id else settings.project_domain_name,
        )

    def for_answer(self, token: str, answer: Mapping[str, Any]) -> Connection:
        """A connection that uses `token` unchanged, with the catalogue from its validation.

        The token is not exchanged for another: Keystone forbids that for tokens of application credentials. The
        connection is cached, because creating one takes longer (20 ms) than a call.
        """
        key = "token " + hashlib.sha256(token.encode()).hexdigest()
        info = access.AccessInfoV3(body=dict(answer), auth_token=token)
        return self._keep(key, lambda: AccessInfoPlugin(info, self._settings.auth_url))

    def forget(self, project_id: str) -> None:
        """Discard a project's token, so that the next call gets one with the current roles."""
        with self._lock:
            self._kept.pop(project_id, None)

    def close(self) -> None:
        self._http.close()

    def _keep(self, key: str, auth: Callable[[], BaseIdentityPlugin]) -> Connection:
        with self._lock:
            connection = self._kept.get(key)
            if connection is None:
                connection = self._kept[key] = self._connection(auth())
            self._kept.move_to_end(key)
            while len(self._kept) > self._settings.connections:
                self._kept.popitem(last=False)
            return connection

    def _connection(self, auth: BaseIdentityPlugin) -> Connection:
        from openstack.connection import Connection

        return Connection(
            session=session.Session(
                auth=auth,
                session=self._http,
                verify=self._settings.verify,
                user_agent="jeroboam",
                discovery_cache=self._discovery,
            ),
            region_name=self._settings.region,
            interface=self._settings.interface,
        )


def access_of(connection: Connection) -> AccessInfoV3:
    """The token and catalogue of a connection; obtains a token if there is none."""
    auth = connection.session.auth
    assert isinstance(auth, BaseIdentityPlugin)
    found = auth.get_access(connection.session)
    assert isinstance(found, AccessInfoV3)
    return found


def require_roles(connection: Connection, wanted: Sequence[str], doing: str) -> None:
    """Check that the token has roles.

    An assignment that was interrupted leaves some of the roles. Most calls succeed with these; the others fail in ways
    that do not tell a missing role, such as a stack whose load balancer fails.

    Raises:
        Forbidden: a role is missing.
    """
    held = {name.casefold() for name in access_of(connection).role_names or ()}
    lacking = sorted(role for role in wanted if role.casefold() not in held)
    if lacking:
        raise Forbidden(f"{doing}: the user has no role {', '.join(lacking)} in the project")
