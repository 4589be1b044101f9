"""The receiver's function in docs/webhooks.md verifies real deliveries, and refuses what is not one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.webhooks.signing import key_of, new_secret, signatures
from tests.support.hooks import Listener
from tests.support.webhook_stage import Stage

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"


@pytest.fixture
def verify() -> Callable[..., bool]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    found: Callable[..., bool] = names["verify"]
    return found


@pytest.mark.usefixtures("notifier")
async def test_a_real_delivery(stage: Stage, receiver: Listener, verify: Callable[..., bool]) -> None:
    secret = (await stage.webhook(receiver.url))["secret"]
    await stage.emit(await stage.cluster(), "node.joined.v1")
    (request,) = await receiver.until(1)
    assert verify(secret, request.headers, request.body)
    rotated = (await stage.call("POST", "/w/rotate-secret"))["secret"]
    assert not verify(rotated, request.headers, request.body)
    assert not verify(secret, request.headers, request.body + b" ")
    assert not verify(secret, request.headers | {"webhook-id": "other"}, request.body)
    await stage.emit(await stage.cluster(), "node.joined.v1")
    second = (await receiver.until(2))[1]
    assert verify(secret, second.headers, second.body)
    assert verify(rotated, second.headers, second.body)


@pytest.mark.parametrize(("age", "accepted"), [(0, True), (290, True), (310, False), (-290, True), (-310, False)])
def test_the_time_of_an_attempt(verify: Callable[..., bool], age: int, accepted: bool) -> None:
    secret, sent = new_secret(), int(time.time()) - age
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": str(sent),
        "webhook-signature": signatures([key_of(secret)], "m", sent, b"{}"),
    }
    assert verify(secret, headers, b"{}") == accepted
