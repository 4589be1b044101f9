"""Who may do what, and an operator's own rules."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.api import policy as module
from services.api.context import RequestContext
from services.api.policy import RULES, Policy
from services.api.wire.errors import ApiError


def caller(*roles: str, user: str = "u1", project: str = "p1") -> RequestContext:
    return RequestContext("req-1", user, user, project, roles, "token", "admin" in roles, (1, 14))


READERS = [rule for rule, default in RULES.items() if "reader" in default]
MEMBERS = [rule for rule, default in RULES.items() if "member" in default]
ANYBODY = [rule for rule, default in RULES.items() if default == "@"]
ADMINS = [rule for rule, default in RULES.items() if default == "rule:context_is_admin"]


def test_every_rule_is_somebodys() -> None:
    assert sorted(READERS + MEMBERS + ADMINS + ANYBODY) == sorted(RULES)


@pytest.mark.parametrize("rule", ANYBODY)
def test_what_every_token_may_do(rule: str) -> None:
    assert Policy().allows(caller(), rule, project_id="p2")


@pytest.mark.parametrize("rule", sorted(set(RULES) - set(ANYBODY)))
def test_defaults(rule: str) -> None:
    policy = Policy()
    assert policy.allows(caller("reader"), rule) is (rule in READERS)
    assert policy.allows(caller("member"), rule) is (rule in MEMBERS)
    assert policy.allows(caller("member", "reader"), rule, project_id="p2") is False
    # Rotating a credential is the project's own business, even for an administrator.
    assert policy.allows(caller("admin"), rule, project_id="p2") is (rule != "credential:rotate")
    assert policy.allows(caller(), rule) is False


def test_certificates_belong_to_whoever_made_the_cluster() -> None:
    policy = Policy()
    for rule, role in (("certificate:get", "reader"), ("certificate:create", "member")):
        assert policy.allows(caller(role), rule, user_id="u1")
        with pytest.raises(ApiError, match=f"^Policy doesn't allow {rule} to be performed.$"):
            policy.check(caller(role), rule, user_id="u2")


def test_an_operators_file_is_read_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED_SECONDS", 0.0)
    file = tmp_path / "policy.yaml"
    file.write_text('"cluster:create": "role:chief"\n')
    policy = Policy(file)
    assert not policy.allows(caller("member"), "cluster:create")
    assert policy.allows(caller("chief"), "cluster:create")
    assert policy.allows(caller("member"), "cluster:delete"), "other rules keep their defaults"
    file.write_text('"cluster:create": "role:member"\n')
    os.utime(file, (2_000_000_000, 2_000_000_000))
    assert policy.allows(caller("member"), "cluster:create")


def test_an_unknown_rule_is_a_bug() -> None:
    with pytest.raises(Exception, match="nobody:knows"):
        Policy().allows(caller("admin"), "nobody:knows")
