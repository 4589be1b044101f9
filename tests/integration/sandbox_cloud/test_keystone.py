"""Tokens, roles and application credentials of the simulated Keystone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.openstack.config import CloudConfig
from sandbox.openstack.testing import TestCloud, running_cloud

TOKENS = "/identity/v3/auth/tokens"


def by_password(user: str, password: str, scope: Any = None) -> dict[str, Any]:
    who = {"user": {"name": user, "password": password, "domain": {"name": "Default"}}}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": who}}
    return {"auth": auth | ({"scope": scope} if scope else {})}


def project(cloud: TestCloud, name: str) -> dict[str, Any]:
    return {"project": {"id": cloud.project_ids[name]}}


async def test_a_token_says_who_for_what_and_where(cloud: TestCloud) -> None:
    async with httpx.AsyncClient(base_url=cloud.url) as client:
        answer = await client.post(TOKENS, json=by_password("demo", "secret", project(cloud, "demo")))
    token = answer.json()["token"]
    assert answer.status_code == 201
    assert {role["name"] for role in token["roles"]} == {"member", "reader", "load-balancer_member"}
    listed = {entry["type"]: entry["endpoints"] for entry in token["catalog"]}
    assert listed.keys() >= {"identity", "orchestration", "compute", "network", "image", "container-infra"}
    assert {one["interface"] for one in listed["compute"]} == {"public", "internal", "admin"}
    assert listed["orchestration"][0]["url"].startswith(cloud.url)


@pytest.mark.parametrize(
    ("user", "password", "where"), [("demo", "wrong", "demo"), ("nobody", "secret", "demo"), ("demo", "secret", "alt")]
)
async def test_what_does_not_hold_is_401(cloud: TestCloud, user: str, password: str, where: str) -> None:
    async with httpx.AsyncClient(base_url=cloud.url) as client:
        answer = await client.post(TOKENS, json=by_password(user, password, project(cloud, where)))
    assert answer.status_code == 401
    assert answer.json()["error"]["title"] == "Unauthorized"


async def test_unscoped_and_system_tokens(cloud: TestCloud) -> None:
    async with httpx.AsyncClient(base_url=cloud.url) as client:
        unscoped = (await client.post(TOKENS, json=by_password("demo", "secret"))).json()["token"]
        system = (await client.post(TOKENS, json=by_password("admin", "secret", {"system": {"all": True}}))).json()
        refused = await client.post(TOKENS, json=by_password("demo", "secret", {"system": {"all": True}}))
    assert "roles" not in unscoped and "catalog" not in unscoped
    assert system["token"]["system"] == {"all": True}
    assert refused.status_code == 401


async def test_validation_and_revocation(demo: Any, admin: Any) -> None:
    subject = {"X-Subject-Token": demo.http.headers["X-Auth-Token"]}
    shown = await admin.http.get(TOKENS, headers=subject)
    assert shown.json()["token"]["user"]["name"] == "demo"
    assert (await admin.http.head(TOKENS, headers=subject)).status_code == 200
    assert (await admin.http.delete(TOKENS, headers=subject)).status_code == 204
    assert (await admin.http.get(TOKENS, headers=subject)).status_code == 404
    assert (await demo.http.get(demo.stacks)).status_code == 401


async def test_an_expired_token_is_refused() -> None:
    async with (
        running_cloud(CloudConfig(agents=False, token_seconds=0)) as cloud,
        httpx.AsyncClient(base_url=cloud.url) as client,
    ):
        answer = await client.post(TOKENS, json=by_password("demo", "secret", project(cloud, "demo")))
        headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
        assert (await client.get("/compute/v2.1/servers", headers=headers)).status_code == 401


async def test_a_role_given_and_taken_counts_at_once(cloud: TestCloud, admin: Any) -> None:
    roles = await admin.listed("/identity/v3/roles?name=member", "roles")
    path = f"/identity/v3/projects/{cloud.project_ids['demo']}/users/{cloud.user_ids['alt']}/roles/{roles[0]['id']}"
    body = by_password("alt", "secret", project(cloud, "demo"))
    assert (await admin.http.post(TOKENS, json=body)).status_code == 401
    assert (await admin.http.put(path)).status_code == 204
    answer = await admin.http.post(TOKENS, json=body)
    assert answer.status_code == 201
    assert (await admin.http.delete(path)).status_code == 204
    subject = {"X-Subject-Token": answer.headers["X-Subject-Token"]}
    assert (await admin.http.get(TOKENS, headers=subject)).status_code == 404


async def test_an_application_credential_logs_in_and_dies(cloud: TestCloud, demo: Any) -> None:
    base = f"/identity/v3/users/{cloud.user_ids['demo']}/application_credentials"
    fields = {"name": "ac", "roles": [{"name": "reader"}]}
    made = (await demo.http.post(base, json={"application_credential": fields})).json()["application_credential"]
    assert (await demo.http.post(base, json={"application_credential": fields})).status_code == 409
    method = {"id": made["id"], "secret": made["secret"]}
    auth = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": method}}}
    answer = await demo.http.post(TOKENS, json=auth)
    assert [role["name"] for role in answer.json()["token"]["roles"]] == ["reader"]

    token = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
    again = await demo.http.post(base, json={"application_credential": {"name": "x"}}, headers=token)
    assert again.status_code == 403
    assert (await demo.http.delete(f"{base}/{made['id']}")).status_code == 204
    assert (await demo.http.get(demo.stacks, headers=token)).status_code == 401
    assert "secret" not in str(await demo.listed(base, "application_credentials"))


@pytest.mark.parametrize("seen_by", ["nova", "keystone for a service"])
@pytest.mark.parametrize(("seconds", "status"), [(0, 401), (300, 200)])
async def test_services_believe_in_a_token_that_one_of_them_has_seen(seconds: float, status: int, seen_by: str) -> None:
    """As they do that share keystonemiddleware's cache; Keystone itself knows at once."""
    async with (
        running_cloud(CloudConfig(agents=False, token_cache_seconds=seconds)) as cloud,
        httpx.AsyncClient(base_url=cloud.url) as client,
    ):
        issued = await client.post(TOKENS, json=by_password("demo", "secret", project(cloud, "demo")))
        mine = {"X-Auth-Token": issued.headers["X-Subject-Token"]}
        if seen_by == "nova":
            assert (await client.get("/compute/v2.1/flavors", headers=mine)).status_code == 200
        else:
            validated = await client.get(TOKENS, headers={**mine, "X-Subject-Token": mine["X-Auth-Token"]})
            assert validated.status_code == 200
        assert (
            await client.delete(TOKENS, headers={**mine, "X-Subject-Token": mine["X-Auth-Token"]})
        ).status_code == 204
        assert (await client.get("/compute/v2.1/flavors", headers=mine)).status_code == status
        assert (await client.get("/identity/v3/auth/projects", headers=mine)).status_code == 401
