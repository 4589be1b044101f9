"""Access control: oslo.policy with Magnum's rule names and defaults.

Rule: every route names one rule; a rule that is not registered is a bug and raises an error. `policy.yaml` is reloaded
when it changes. Resources of other projects return 404 instead of 403, because queries are limited to the caller's
project before any rule is evaluated.
"""

from __future__ import annotations

import time
from pathlib import Path

from oslo_config import cfg
from oslo_policy import policy as oslo

from services.api.context import RequestContext
from services.api.wire.errors import policy_denied

REMEMBERED_SECONDS = 1.0
_REMEMBERED = 10_000
_NO_FILE = "policy.yaml"

_ADMIN = "rule:context_is_admin"
_MEMBER = "rule:admin_or_project_member"
_READER = "rule:admin_or_project_reader"
_ANYBODY = "@"  # with a token

_BASE = {
    "context_is_admin": "role:admin",
    "project_member": "role:member and project_id:%(project_id)s",
    "project_reader": "role:reader and project_id:%(project_id)s",
    "is_user": "user_id:%(user_id)s",
    "admin_or_project_member": "rule:context_is_admin or rule:project_member",
    "admin_or_project_reader": "rule:context_is_admin or rule:project_reader",
    "admin_or_project_member_user": "rule:context_is_admin or (rule:project_member and rule:is_user)",
    "admin_or_project_reader_user": "rule:context_is_admin or (rule:project_reader and rule:is_user)",
    # Magnum's rules exclude the Keystone users of its nodes. Jeroboam's nodes have no users; the names are kept for
    # policy files that refer to them.
    "project_member_deny_cluster_user": "rule:project_member",
    "admin_or_project_member_deny_cluster_user": "rule:admin_or_project_member",
    "admin_or_project_reader_deny_cluster_user": "rule:admin_or_project_reader",
    "admin_or_project_member_user_or_cluster_user": "rule:admin_or_project_member_user",
}

_MEMBER_CLUSTER = "rule:admin_or_project_member_deny_cluster_user"
_READER_CLUSTER = "rule:admin_or_project_reader_deny_cluster_user"

RULES = {
    "certificate:create": "rule:admin_or_project_member_user",
    "certificate:get": "rule:admin_or_project_reader_user",
    "certificate:rotate_ca": _MEMBER,
    "cluster:create": _MEMBER_CLUSTER,
    "cluster:delete": _MEMBER_CLUSTER,
    "cluster:delete_all_projects": _ADMIN,
    "cluster:detail": _READER_CLUSTER,
    "cluster:detail_all_projects": _ADMIN,
    "cluster:get": _READER_CLUSTER,
    "cluster:get_one_all_projects": _ADMIN,
    "cluster:get_all": _READER_CLUSTER,
    "cluster:get_all_all_projects": _ADMIN,
    "cluster:update": _MEMBER_CLUSTER,
    "cluster:update_health_status": "rule:admin_or_project_member_user_or_cluster_user",
    "cluster:update_all_projects": _ADMIN,
    "cluster:resize": _MEMBER_CLUSTER,
    "cluster:upgrade": _MEMBER_CLUSTER,
    "cluster:upgrade_all_projects": _ADMIN,
    "clustertemplate:create": _MEMBER_CLUSTER,
    "clustertemplate:delete": _MEMBER,
    "clustertemplate:delete_all_projects": _ADMIN,
    "clustertemplate:detail_all_projects": _ADMIN,
    "clustertemplate:detail": _READER_CLUSTER,
    "clustertemplate:get": _READER_CLUSTER,
    "clustertemplate:get_one_all_projects": _ADMIN,
    "clustertemplate:get_all": _READER_CLUSTER,
    "clustertemplate:get_all_all_projects": _ADMIN,
    "clustertemplate:update": _MEMBER,
    "clustertemplate:update_all_projects": _ADMIN,
    "clustertemplate:publish": _ADMIN,
    "credential:rotate": "rule:project_member_deny_cluster_user",
    "federation:create": _MEMBER_CLUSTER,
    "federation:delete": _MEMBER_CLUSTER,
    "federation:detail": _READER_CLUSTER,
    "federation:get": _READER_CLUSTER,
    "federation:get_all": _READER_CLUSTER,
    "federation:update": _MEMBER_CLUSTER,
    "magnum-service:get_all": _ADMIN,
    "quota:create": _ADMIN,
    "quota:delete": _ADMIN,
    "quota:get": _READER,
    "quota:get_all": _ADMIN,
    "quota:update": _ADMIN,
    "stats:get_all": _READER,
    "nodegroup:get": _READER,
    "nodegroup:get_all": _READER,
    "nodegroup:get_all_all_projects": _ADMIN,
    "nodegroup:get_one_all_projects": _ADMIN,
    "nodegroup:create": _MEMBER,
    "nodegroup:delete": _MEMBER,
    "nodegroup:update": _MEMBER,
    # Rules that Magnum does not have.
    "cluster:config": _READER,
    "cluster:config_admin": _MEMBER,
    "driver:get": _ANYBODY,
    "driver:get_all": _ANYBODY,
    "node:get": _READER,
    "node:get_all": _READER,
    "operation:get": _READER,
    "operation:get_all": _READER,
    "operation:retry": _MEMBER,
    "operation:cancel": _MEMBER,
    "event:get_all": _READER,
    "prometheus_token:create": _MEMBER,
    "prometheus_token:get": _READER,
    "prometheus_token:get_all": _READER,
    "prometheus_token:delete": _MEMBER,
    "webhook:create": _MEMBER,
    "webhook:get": _READER,
    "webhook:get_all": _READER,
    # The complete URL, and headers and bodies of attempts: both can contain keys of the receiver.
    "webhook:get_private": _MEMBER,
    "webhook:update": _MEMBER,
    "webhook:delete": _MEMBER,
    "webhook:test": _MEMBER,
    "webhook:rotate_secret": _MEMBER,
    "webhook:get_deliveries": _READER,
    "webhook:redeliver": _MEMBER,
}


class Policy:
    """The current rules.

    A decision depends only on the rule, the caller and the owner of the resource. It is cached for REMEMBERED_SECONDS,
    because evaluating a rule costs more than the query that it guards.

    Args:
        policy_file: overrides by the operator; may be missing and may change while the process runs.
    """

    def __init__(self, policy_file: Path | None = None) -> None:
        conf = cfg.ConfigOpts()
        conf([], project="jeroboam", default_config_files=[], default_config_dirs=[])
        self._enforcer = oslo.Enforcer(conf, policy_file=str(policy_file or _NO_FILE))
        self._enforcer.suppress_deprecation_warnings = True
        self._enforcer.register_defaults([oslo.RuleDefault(name, rule) for name, rule in (_BASE | RULES).items()])
        self._enforcer.load_rules()
        self._decisions: dict[tuple[object, ...], bool] = {}
        self._forget_at = 0.0

    def is_admin(self, roles: tuple[str, ...]) -> bool:
        """Whether these roles are those of an administrator of the service."""
        return self._decide("context_is_admin", "", "", roles, "", "")

    def allows(
        self, context: RequestContext, rule: str, *, project_id: str | None = None, user_id: str | None = None
    ) -> bool:
        """Whether the policy allows `rule` for a resource of `project_id` and `user_id` (default: the caller's)."""
        return self._decide(
            rule,
            context.user_id,
            context.project_id,
            context.roles,
            context.project_id if project_id is None else project_id,
            context.user_id if user_id is None else user_id,
        )

    def check(
        self, context: RequestContext, rule: str, *, project_id: str | None = None, user_id: str | None = None
    ) -> None:
        """Raise Magnum's 403 unless `allows`."""
        if not self.allows(context, rule, project_id=project_id, user_id=user_id):
            raise policy_denied(rule)

    def _decide(
        self, rule: str, user: str, project: str, roles: tuple[str, ...], owner_project: str, owner_user: str
    ) -> bool:
        now = time.monotonic()
        if now >= self._forget_at or len(self._decisions) >= _REMEMBERED:
            self._decisions.clear()
            self._forget_at = now + REMEMBERED_SECONDS
        key = (rule, user, project, roles, owner_project, owner_user)
        known = self._decisions.get(key)
        if known is None:
            credentials: dict[str, object] = {"user_id": user, "project_id": project, "roles": list(roles)}
            target = {"project_id": owner_project, "user_id": owner_user}
            known = self._decisions[key] = bool(self._enforcer.authorize(rule, target, credentials))
        return known
