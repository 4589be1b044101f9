"""Application credentials of the user of a connection. Synchronous; runs in the threads of `Calls`.

Rule: credentials are always restricted (they cannot create others) and limited to the project of the token. Keystone
returns a secret only when it is set, so the caller chooses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.cloud import rest
from shared.cloud.errors import LastingConflict
from shared.cloud.sessions import require_roles
from shared.cloud.types import ApplicationCredential
from shared.domain.errors import TemporaryError

if TYPE_CHECKING:
    from openstack.connection import Connection


def ensure(connection: Connection, name: str, secret: str, roles: Sequence[str]) -> ApplicationCredential:
    """See `Cloud.ensure_application_credential`."""
    found = _find(connection, name)
    if found is not None:
        return ApplicationCredential(found["id"], name)
    doing = f"create application credential {name}"
    require_roles(connection, roles, doing)
    body = {
        "name": name,
        "description": "OpenStack access of a container cluster; created by Jeroboam",
        "secret": secret,
        "roles": [{"name": role} for role in roles],
        "unrestricted": False,
    }
    try:
        answer = rest.call(
            connection.identity, "POST", _path(connection), doing=doing, json={"application_credential": body}
        )
    except LastingConflict:
        found = _find(connection, name)
        if found is None:
            raise TemporaryError(f"{doing}: the name is in use, but no credential of that name was found") from None
        return ApplicationCredential(found["id"], name)
    return ApplicationCredential(answer["application_credential"]["id"], name, secret)


def delete(connection: Connection, name: str) -> None:
    """See `Cloud.delete_application_credential`."""
    found = _find(connection, name)
    if found is not None:
        path = f"{_path(connection)}/{found['id']}"
        rest.delete(connection.identity, path, doing=f"delete application credential {name}")


def _find(connection: Connection, name: str) -> dict[str, Any] | None:
    answer = rest.call(
        connection.identity,
        "GET",
        _path(connection),
        doing=f"find application credential {name}",
        params={"name": name},
    )
    # Names are unique per user, so there is at most one.
    return next((item for item in answer["application_credentials"] if item["name"] == name), None)


def _path(connection: Connection) -> str:
    return f"/users/{connection.session.get_user_id()}/application_credentials"
