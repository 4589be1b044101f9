"""Tokens, projects, roles and application credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from shared.cloud.contract import Cloud, CloudFactory
from shared.domain.errors import NotFound, PermanentError, TemporaryError

Token = Callable[..., Awaitable[str]]


async def test_a_valid_token(factory: CloudFactory, place: Any, token_of: Token) -> None:
    token = await token_of("one")
    identity = await factory.validate_token(token)
    assert identity is not None
    assert identity.user_name == place.users["one"]
    assert identity.project_id == place.projects["one"]
    assert {"member", "reader"} <= set(identity.roles)
    assert not identity.is_system
    assert await factory.validate_token(token) == identity


async def test_a_token_without_a_project(factory: CloudFactory, token_of: Token) -> None:
    identity = await factory.validate_token(await token_of("one", scoped=False))
    assert identity is not None
    assert identity.project_id is None
    assert identity.roles == ()


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 255, "gAAAAABm", "a b", "\n"])
async def test_an_invalid_token(factory: CloudFactory, token: str) -> None:
    assert await factory.validate_token(token) is None


async def test_a_revoked_token_ends_with_the_cache(
    make_factory: Callable[..., CloudFactory], place: Any, token_of: Token
) -> None:
    token = await token_of("one")
    caching, asking = make_factory(), make_factory(token_cache_seconds=0)
    assert await caching.validate_token(token) is not None
    assert await asking.validate_token(token) is not None
    async with httpx.AsyncClient(timeout=60) as client:
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        answer = await client.delete(f"{place.auth_url}/auth/tokens", headers=headers)
        assert answer.status_code == 204
    assert await asking.validate_token(token) is None
    assert await caching.validate_token(token) is not None
    with pytest.raises(PermanentError, match="no longer valid"):
        await asking.for_token(token, place.projects["one"]).quotas()


async def test_a_token_opens_its_own_project_only(
    factory: CloudFactory, projects: dict[str, str], token_of: Token
) -> None:
    token = await token_of("one")
    with pytest.raises(PermanentError, match="does not belong to project"):
        await factory.for_token(token, projects["two"]).quotas()


async def test_readiness(make_factory: Callable[..., CloudFactory]) -> None:
    await make_factory().check()
    with pytest.raises(PermanentError, match="rejects the service user"):
        await make_factory(password="wrong").check()
    nobody = make_factory(auth_url="http://127.0.0.1:9/v3")
    with pytest.raises(TemporaryError):
        await nobody.check()
    with pytest.raises(TemporaryError):
        await nobody.validate_token("token")


async def test_projects(factory: CloudFactory, projects: dict[str, str], cluster_id: str) -> None:
    assert await factory.project_exists(projects["one"])
    assert not await factory.project_exists(cluster_id)
    with pytest.raises(NotFound):
        await factory.for_project(cluster_id).list_stacks(tag="x")


async def test_without_a_role_nothing_is_done(
    make_factory: Callable[..., CloudFactory], place: Any, projects: dict[str, str]
) -> None:
    # The second user stands in for a service user that nobody gave a role in the first one's project.
    stranger = make_factory(
        assign_role=False,
        username=place.users["two"],
        password=place.password,
        user_domain_name=place.domain,
    )
    with pytest.raises(PermanentError):
        await stranger.for_project(projects["one"]).list_stacks(tag="x")
    assert await stranger.for_project(projects["two"]).list_stacks(tag="x") == []


async def test_application_credentials(cloud: Cloud, place: Any, cluster_id: str) -> None:
    name = f"jeroboam-{cluster_id}"
    made = await cloud.ensure_application_credential(name, secret="s" * 32, roles=["member"])
    assert (made.name, made.secret) == (name, "s" * 32)
    again = await cloud.ensure_application_credential(name, secret="t" * 32, roles=["member"])
    assert (again.id, again.secret) == (made.id, None)

    async def login() -> httpx.Response:
        credential = {"id": made.id, "secret": made.secret}
        identity = {"methods": ["application_credential"], "application_credential": credential}
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.post(f"{place.auth_url}/auth/tokens", json={"auth": {"identity": identity}})

    answer = await login()
    assert answer.status_code == 201
    assert answer.json()["token"]["project"]["id"] == place.projects["one"]
    await cloud.delete_application_credential(name)
    # 404 where Keystone looks the credential up before it judges it.
    assert (await login()).status_code in {401, 404}
    await cloud.delete_application_credential(name)


async def test_a_token_of_an_application_credential_works_as_it_is(
    factory: CloudFactory, cloud: Cloud, place: Any, cluster_id: str
) -> None:
    name = f"jeroboam-{cluster_id}"
    made = await cloud.ensure_application_credential(name, secret="s" * 32, roles=["member"])
    try:
        credential = {"id": made.id, "secret": "s" * 32}
        identity = {"methods": ["application_credential"], "application_credential": credential}
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.post(f"{place.auth_url}/auth/tokens", json={"auth": {"identity": identity}})
        theirs = factory.for_token(answer.headers["X-Subject-Token"], place.projects["one"])
        assert await theirs.find_flavor(place.names["flavor"]) is not None
    finally:
        await cloud.delete_application_credential(name)


async def test_a_role_that_is_missing_beside_others_is_assigned(
    make_factory: Callable[..., CloudFactory], projects: dict[str, str], cluster_id: str
) -> None:
    """As after an assignment that was interrupted, or by an older setting."""
    before = make_factory(service_roles=("member",)).for_project(projects["one"])
    assert await before.list_stacks(tag="x") == []
    cloud = make_factory(service_roles=("member", "load-balancer_member")).for_project(projects["one"])
    name = f"jeroboam-{cluster_id}"
    try:
        await cloud.ensure_application_credential(name, secret="s" * 32, roles=["member", "load-balancer_member"])
    finally:
        await cloud.delete_application_credential(name)


async def test_a_role_the_user_has_not_cannot_be_given(cloud: Cloud, cluster_id: str) -> None:
    with pytest.raises(PermanentError):
        await cloud.ensure_application_credential(f"jeroboam-{cluster_id}", secret="s" * 32, roles=["no-such-role"])
