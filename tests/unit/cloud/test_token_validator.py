"""The token cache: what it believes, for how long, and how often Keystone is asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.cloud.token_validator import TokenValidator, identity_of
from shared.domain.errors import PermanentError, TemporaryError

START = 1_800_000_000.0


def answer(expires: str = "2099-01-01T00:00:00.000000Z", **token: Any) -> dict[str, Any]:
    return {
        "token": {
            "user": {"id": "u1", "name": "alice", "domain": {"id": "default"}},
            "project": {"id": "p1", "name": "alpha", "domain": {"id": "d1"}},
            "roles": [{"id": "r1", "name": "member"}, {"id": "r2", "name": "reader"}],
            "expires_at": expires,
            "catalog": [],
            **token,
        }
    }


class Keystone:
    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {"good": answer()}
        self.asked: list[str] = []
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.now = START

    async def ask(self, token: str) -> dict[str, Any] | None:
        self.asked.append(token)
        await self.gate.wait()
        if self.down:
            raise TemporaryError("Keystone is down")
        return self.known.get(token)

    def validator(self, **limits: Any) -> TokenValidator:
        values = {"ttl": 300, "negative_ttl": 10, "size": 100, **limits}
        return TokenValidator(self.ask, clock=lambda: self.now, **values)


async def test_a_valid_token_is_asked_for_once_until_its_time_is_over() -> None:
    keystone = Keystone()
    validator = keystone.validator()
    for _ in range(3):
        found = await validator.answer("good")
        assert found is not None
        assert found.identity.roles == ("member", "reader")
    assert keystone.asked == ["good"]
    keystone.now += 301
    await validator.answer("good")
    assert keystone.asked == ["good", "good"]


async def test_a_token_is_never_believed_past_its_expiry() -> None:
    keystone = Keystone()
    keystone.known["short"] = answer("2027-01-15T08:00:05.000000Z")  # START + 5 s
    validator = keystone.validator()
    assert await validator.answer("short") is not None
    keystone.now += 6
    assert await validator.answer("short") is None
    assert keystone.asked == ["short", "short"]


async def test_an_invalid_token_is_remembered_shortly() -> None:
    keystone = Keystone()
    validator = keystone.validator()
    assert await validator.answer("bad") is None
    assert await validator.answer("bad") is None
    assert keystone.asked == ["bad"]
    keystone.now += 11
    keystone.known["bad"] = answer()
    assert await validator.answer("bad") is not None


async def test_keystone_down_is_no_refusal_and_is_not_remembered() -> None:
    keystone = Keystone()
    keystone.down = True
    validator = keystone.validator()
    with pytest.raises(TemporaryError):
        await validator.answer("good")
    keystone.down = False
    assert await validator.answer("good") is not None


async def test_many_at_once_ask_once_and_one_that_leaves_takes_nobody_along() -> None:
    keystone = Keystone()
    keystone.gate.clear()
    validator = keystone.validator()
    waiting = [asyncio.create_task(validator.answer("good")) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    keystone.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(result is not None for result in results[1:])
    assert keystone.asked == ["good"]


async def test_the_cache_is_bounded() -> None:
    keystone = Keystone()
    validator = keystone.validator(size=2)
    for token in ("a", "b", "c", "a"):
        await validator.answer(token)
    assert keystone.asked == ["a", "b", "c", "a"]


@pytest.mark.parametrize("token", ["", "x" * 20_000, "two\nlines", "ümlaut", "nul\0"])
async def test_what_cannot_be_a_token_never_reaches_keystone(token: str) -> None:
    keystone = Keystone()
    assert await keystone.validator().answer(token) is None
    assert keystone.asked == []


async def test_the_cache_does_not_hold_tokens() -> None:
    keystone = Keystone()
    validator = keystone.validator()
    await validator.answer("good")
    assert "good" not in repr(vars(validator))


async def test_close_ends_what_is_under_way() -> None:
    keystone = Keystone()
    keystone.gate.clear()
    validator = keystone.validator()
    waiting = asyncio.create_task(validator.answer("good"))
    await asyncio.sleep(0)
    await validator.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_identities_of_all_scopes() -> None:
    unscoped = {"user": {"id": "u", "name": "n"}, "expires_at": "2099-01-01T00:00:00Z"}
    assert identity_of({"token": unscoped}).project_id is None
    system = identity_of({"token": {**unscoped, "system": {"all": True}}})
    assert system.is_system
    assert identity_of({"token": {**unscoped, "domain": {"id": "d"}}}).domain_id == "d"
    assert identity_of(answer()).domain_id == "d1"


@pytest.mark.parametrize("body", [{}, {"token": {}}, {"token": {"user": None}}, {"token": []}])
def test_an_answer_that_is_not_keystones(body: dict[str, Any]) -> None:
    with pytest.raises(PermanentError):
        identity_of(body)


async def test_unknown_tokens_displace_no_valid_ones() -> None:
    keystone = Keystone()
    validator = keystone.validator(size=2)
    assert await validator.answer("good") is not None
    for number in range(10):
        assert await validator.answer(f"bad{number}") is None
    assert validator.knows("good")
    assert [validator.knows(f"bad{number}") for number in (7, 8, 9)] == [False, True, True]
    assert await validator.answer("good") is not None
    assert keystone.asked.count("good") == 1


async def test_a_keystone_that_hangs_holds_few_and_not_for_long() -> None:
    keystone = Keystone()
    validator = keystone.validator(concurrency=2, queue=3, timeout=0.2)
    assert await validator.answer("good") is not None
    keystone.gate.clear()
    waiting = [asyncio.create_task(validator.answer(f"t{number}")) for number in range(5)]
    await asyncio.sleep(0.05)
    assert keystone.asked == ["good", "t0", "t1"]
    with pytest.raises(TemporaryError, match="not validate tokens fast enough"):
        await validator.answer("t5")
    assert await validator.answer("good") is not None  # a cached answer needs no request
    found = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 2)
    assert {str(error) for error in found} == {"validate a token: no answer from Keystone within 0.2 s"}
    keystone.gate.set()
    assert await validator.answer("t5") is None
