"""What the listener ends by itself."""

from __future__ import annotations

from typing import Any

from services.api.connections.gate import Gate
from services.api.connections.listener import Listener
from shared.limit_settings import LimitSettings


class Client:
    def __init__(self) -> None:
        self.ended: list[str] = []

    def cut(self, why: str) -> None:
        self.ended.append(why)


def test_the_clients_that_leave_the_most_are_cut() -> None:
    limits = LimitSettings(unsent_bytes=10 * 2**20)
    listener = Listener(Gate(10, 10), limits, lambda place: None, None)  # type: ignore[arg-type, return-value]
    sizes = (1, 6, 3, 8, 2)
    clients = [Client() for _ in sizes]
    unsent: list[Any] = [(size * 2**20, client) for size, client in zip(sizes, clients, strict=True)]
    listener._relieve(unsent[:3])
    assert not any(client.ended for client in clients)
    listener._relieve(unsent)
    assert [client.ended for client in clients] == [[], ["unsent_bytes"], [], ["unsent_bytes"], []]
