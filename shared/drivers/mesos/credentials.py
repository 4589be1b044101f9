"""The credentials of a cluster: one secret, from which those of all principals are derived.

Rule: a node gets the secrets of its own principals only. The secret they are derived from reaches no node.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from jeroboam.driver import Secret

SECRET = "credentials"  # noqa: S105 - the name of a secret

ADMIN = "admin"  # users of the cluster
OPERATOR = "jeroboam"  # Jeroboam's commands on masters
MARATHON = "marathon"
AGENT = "agent"  # agents at masters
AGENT_API = "agent-api"  # the API of agents
ZOOKEEPER = "zookeeper"  # what masters write into ZooKeeper
MONITORING = "monitoring"  # the exporter of masters' metrics

_ANY = {"type": "ANY"}
# Action of an ACL -> what it concerns. All but operators are refused; source: Mesos' acls.proto.
_OPERATORS_ONLY = {
    "drain_agents": "agents",
    "deactivate_agents": "agents",
    "reactivate_agents": "agents",
    "mark_agents_gone": "agents",
    "update_maintenance_schedules": "machines",
    "start_maintenances": "machines",
    "stop_maintenances": "machines",
    "teardown_frameworks": "framework_principals",
    "view_flags": "flags",
    "set_log_level": "level",
}
# What everybody else may do and monitoring may not, as it only reads; the other actions are those above.
_NOT_BY_MONITORING = {
    "reserve_resources": "roles",
    "unreserve_resources": "reserver_principals",
    "create_volumes": "roles",
    "destroy_volumes": "creator_principals",
    "update_quotas": "roles",
    "update_weights": "roles",
}


def secret_of(principal: str, secrets: Mapping[str, Secret]) -> str:
    """The secret of a principal: 40 hexadecimal digits."""
    key = secrets[SECRET].secret.encode()
    return hmac.new(key, f"jeroboam mesos {principal}".encode(), hashlib.sha256).hexdigest()[:40]


def credential(principal: str, secrets: Mapping[str, Secret]) -> str:
    """The file of one principal, as an agent's `--credential` takes it."""
    return json.dumps({"principal": principal, "secret": secret_of(principal, secrets)}) + "\n"


def credentials(secrets: Mapping[str, Secret], *principals: str) -> str:
    """The file of several principals, as `--credentials` and `--http_credentials` take it."""
    listed = [{"principal": principal, "secret": secret_of(principal, secrets)} for principal in principals]
    return json.dumps({"credentials": listed}, indent=1) + "\n"


def curl_config(principal: str, secrets: Mapping[str, Secret]) -> str:
    """curl's configuration of a principal, so that its secret is not on a command line."""
    return f'user = "{principal}:{secret_of(principal, secrets)}"\n'


def acls(*, monitoring: bool = False) -> str:
    """Who may register and who may operate the cluster; the file of `--acls`. Reading is allowed to all principals.

    Args:
        monitoring: whether there is a principal for monitoring.
    """
    rules = {name: _only([ADMIN, OPERATOR], of) for name, of in _OPERATORS_ONLY.items()}
    rules["register_agents"] = _only([AGENT], "agents")
    rules["register_frameworks"] = _only([ADMIN, MARATHON], "roles")
    if monitoring:
        rules |= {name: [_refused(MONITORING, of)] for name, of in _NOT_BY_MONITORING.items()}
    return json.dumps({"permissive": True, **rules}, indent=1, sort_keys=True) + "\n"


def _only(principals: list[str], objects: str) -> list[dict[str, object]]:
    """The first rule that matches counts; the second one matches everybody else."""
    allowed: dict[str, object] = {"principals": {"values": principals}, objects: _ANY}
    return [allowed, {"principals": _ANY, objects: {"type": "NONE"}}]


def _refused(principal: str, objects: str) -> dict[str, object]:
    return {"principals": {"values": [principal]}, objects: {"type": "NONE"}}
