"""What clients of Mesos and Marathon need: two addresses and a credential.

Rule: Marathon's API has no roles. Whoever has the credential may run anything on the agents, so only users who may
change the cluster get it. It is the cluster's own and stays valid while the cluster exists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

from jeroboam.driver import Access, ClientConfig, Secret
from shared.drivers.mesos import credentials
from shared.drivers.mesos.labels import MASTER_PORT
from shared.drivers.monitoring.settings import PASSWORD_FILE


def render(
    *,
    api_address: str,
    marathon_port: int,
    secrets: Mapping[str, Secret],
    access: Access,
    lifetime: timedelta,
    grafana_password: str | None = None,
) -> ClientConfig:
    """Addresses and a credential, as a JSON file, a netrc file for curl, and variables; and the password of Grafana's
    administrator if there is one.

    Raises:
        ValueError: the user may only read.
    """
    if access is not Access.ADMIN:
        raise ValueError("Marathon's API has no read-only access: only users who may change the cluster can use it")
    secret = credentials.secret_of(credentials.ADMIN, secrets)
    mesos, marathon = f"{api_address}:{MASTER_PORT}", f"http://{api_address}:{marathon_port}"
    described = {"mesos": f"http://{mesos}", "marathon": marathon, "principal": credentials.ADMIN, "secret": secret}
    files = {
        "mesos.json": json.dumps(described, indent=1) + "\n",
        "netrc": f"machine {api_address}\nlogin {credentials.ADMIN}\npassword {secret}\n",
    }
    if grafana_password is not None:
        files[PASSWORD_FILE] = f"{grafana_password}\n"
    variables = {
        "MESOS_MASTER": mesos,
        "MARATHON_URL": marathon,
        "MESOS_PRINCIPAL": credentials.ADMIN,
        "MESOS_SECRET": secret,
        "MESOS_NETRC": "{directory}/netrc",
    }
    return ClientConfig(files, variables, [credentials.ADMIN], lifetime)
