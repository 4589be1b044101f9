"""Which connections are displaced and refused."""

from __future__ import annotations

from services.api.connections.gate import RESERVE, Gate, Place


def admitted(gate: Gate, address: str = "a") -> Place:
    place = gate.admit(address)
    assert place is not None
    return place


def test_an_idle_connection_gives_way_those_that_never_asked_first() -> None:
    gate = Gate(3, 10)
    gone: list[str] = []
    places = {name: admitted(gate) for name in ("kept", "silent", "busy")}
    for name, place in places.items():
        place.evict = lambda name=name: gone.append(name)  # type: ignore[misc]
    places["kept"].resting()
    places["silent"].silent()
    assert not admitted(gate, "b").only_health
    assert gone == ["silent"]
    assert not admitted(gate, "c").only_health
    assert gone == ["silent", "kept"]
    assert admitted(gate, "d").only_health
    assert gone == ["silent", "kept"]


def test_a_reserve_is_left_for_the_health_and_beyond_it_nothing() -> None:
    gate = Gate(2, 1000)
    for _ in range(2):
        admitted(gate)
    reserve = [admitted(gate) for _ in range(RESERVE)]
    assert all(place.only_health for place in reserve)
    assert gate.admit("a") is None
    reserve[0].release()
    reserve[0].release()
    assert admitted(gate).only_health
    assert len(gate) == 2 + RESERVE


def test_an_address_displaces_only_itself() -> None:
    gate = Gate(100, 2, exempt=["proxy"])
    other = admitted(gate, "b")
    other.silent()
    first, second = admitted(gate), admitted(gate)
    gone: list[Place] = []
    first.evict = lambda: gone.append(first)
    assert gate.admit("a") is None
    first.silent()
    third = admitted(gate)
    assert gone == [first]
    assert gate.admit("a") is None
    for place in (second, third):
        place.release()
    assert gate.admit("a")
    for _ in range(20):
        admitted(gate, "proxy")
    behind = Gate(100, 1, exempt=["192.0.2.0/24"])
    assert behind.admit("192.0.2.1")
    assert behind.admit("192.0.2.1")
    assert behind.admit("198.51.100.1")
    assert behind.admit("198.51.100.1") is None
    everybody = Gate(100, 1, exempt=["*"])
    assert everybody.admit("192.0.2.1")
    assert everybody.admit("192.0.2.1")


def test_a_place_that_is_gone_is_not_idle() -> None:
    gate = Gate(1, 1)
    place = admitted(gate)
    place.release()
    place.silent()
    place.resting()
    assert not admitted(gate).only_health
    assert len(gate) == 1
