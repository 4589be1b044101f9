"""Properties of what follows an attempt, of the rate of a receiver, and of the parser of URLs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.health import FAILING_AFTER, Health, after_failure, after_success, should_disable, spacing
from services.notifier.retry import JITTER, LONGEST_RETRY_AFTER, Next, decide, read_retry_after
from shared.events.catalog import CATALOG
from shared.settings import WebhookSettings
from shared.webhooks.addresses import forbidden
from shared.webhooks.filters import likes, matches
from shared.webhooks.targets import Forbidden, TargetPolicy

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SCHEDULE = WebhookSettings().retry_seconds
STATUSES = st.none() | st.integers(100, 599)
CHANCES = st.floats(0, 1, exclude_max=True)
SECONDS = st.none() | st.floats(0, 10 * LONGEST_RETRY_AFTER)


@given(STATUSES, st.integers(1, len(SCHEDULE) + 5), CHANCES, SECONDS)
def test_every_delivery_ends(status: int | None, tries: int, chance: float, retry_after: float | None) -> None:
    decision = decide(status, tries, SCHEDULE, chance=chance, retry_after=retry_after)
    assert (decision.next is Next.DELIVERED) == (status is not None and 200 <= status < 300)
    assert (decision.next is Next.GONE) == (status == 410)
    assert (decision.next is Next.RETRY) or decision.delay == 0
    if decision.next is Next.RETRY:
        assert tries <= len(SCHEDULE)
        base = SCHEDULE[tries - 1]
        assert decision.delay >= base * (1 - JITTER)
        assert decision.delay <= max(base * (1 + JITTER), LONGEST_RETRY_AFTER)
        assert retry_after is None or decision.delay >= min(retry_after, LONGEST_RETRY_AFTER)


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    assert SCHEDULE == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    decisions = [decide(500, tries, SCHEDULE, chance=0.5) for tries in range(1, 11)]
    assert [decision.delay for decision in decisions[:-1]] == SCHEDULE
    assert decisions[-1].next is Next.EXHAUSTED


@given(st.text(max_size=40))
def test_retry_after_is_read_or_ignored(text: str) -> None:
    seconds = read_retry_after(text, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER


@given(st.integers(0, 200_000))
def test_retry_after_as_a_date(seconds: int) -> None:
    expected = min(seconds, LONGEST_RETRY_AFTER)
    assert read_retry_after(format_datetime(NOW + timedelta(seconds=seconds), usegmt=True), NOW) == expected
    assert read_retry_after(str(seconds), NOW) == expected


STEPS = st.lists(st.tuples(st.booleans(), st.floats(0, 90_000), SECONDS), max_size=40)


@given(STEPS)
def test_the_history_of_a_receiver(steps: list[tuple[bool, float, float | None]]) -> None:
    health, now, failed = Health(), NOW, 0
    since: datetime | None = None
    for succeeded, pause, retry_after in steps:
        now += timedelta(seconds=pause)
        if succeeded:
            was_failing = health.failing
            health = after_success(health, now)
            failed, since = 0, None
            assert health.held_until is None
            assert not was_failing or health.recovered_at == now
        else:
            health = after_failure(health, now, "no", status=503, retry_after=retry_after)
            failed, since = failed + 1, since or now
            if failed >= FAILING_AFTER:
                assert health.held_until is not None
                assert health.held_until > now
            assert health.held_until is None or health.held_until - now <= timedelta(hours=1)
        assert (health.failures, health.failing_since) == (failed, since)
        assert health.failing == (failed >= FAILING_AFTER)
        assert health.troubled or failed < FAILING_AFTER
        assert should_disable(health, now, timedelta(days=1)) == (
            since is not None and now - since >= timedelta(days=1)
        )


@given(st.floats(0, 3600), st.floats(0, 3600), st.floats(1, 1000))
def test_the_rate_after_a_recovery_only_grows(first: float, later: float, limit: float) -> None:
    health = Health(recovered_at=NOW)
    spacings = [spacing(health, NOW + timedelta(seconds=seconds), limit) for seconds in sorted((first, first + later))]
    assert 0 < spacings[1] <= spacings[0] <= 1.0
    assert spacing(Health(), NOW, limit) == 0


def test_a_receiver_that_was_down_for_a_day_is_not_flooded() -> None:
    """At most 60 deliveries in the first half minute, at most 50 a second afterwards."""
    sent, elapsed = 0, 0.0
    per_second: dict[int, int] = {}
    while elapsed < 300:
        sent += 1
        per_second[int(elapsed)] = per_second.get(int(elapsed), 0) + 1
        elapsed += spacing(Health(recovered_at=NOW), NOW + timedelta(seconds=elapsed), 50)
    assert per_second[0] <= 2
    assert sum(per_second[second] for second in range(30)) <= 110
    assert max(per_second.values()) <= 75


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_in_every_notation(number: int) -> None:
    address = IPv4Address(number)
    allowed = forbidden(address) is None
    assert (forbidden(IPv6Address(f"::ffff:{address}")) is None) == allowed
    assert forbidden(IPv6Address(number)) is not None  # ::a.b.c.d
    assert forbidden(IPv6Address((0x64FF9B << 96) | number)) is not None
    assert forbidden(IPv6Address((0x2002 << 112) | (number << 80))) is not None
    if not address.is_global or address.is_multicast:
        assert not allowed


@given(st.integers(0, 2**128 - 1))
def test_ipv6_outside_the_unicast_range_is_refused(number: int) -> None:
    address = IPv6Address(number)
    if number >> 125 != 1 and address.ipv4_mapped is None:
        assert forbidden(address) is not None


HOSTS = st.text(alphabet="0123456789abcdefxX.:[]%@\\/#?-_ \t\u3002\uff0e", max_size=40)


@given(HOSTS, st.sampled_from(["", "/", "/x?y", ":80", ":8443/"]))
def test_a_url_that_is_accepted_has_one_reading(host: str, rest: str) -> None:
    """What is parsed is what the standard library reads, and never an address in disguise."""
    from urllib.parse import urlsplit

    policy = TargetPolicy(allow_http=True, ports=[range(1, 65536)])
    try:
        target = policy.parse(f"http://{host}{rest}")
    except Forbidden:
        return
    parts = urlsplit(f"http://{host}{rest}")
    assert (parts.port or 80) == target.port
    assert parts.username is None
    if target.address is not None:
        assert forbidden(target.address) is None
        assert ip_address(str(parts.hostname)) == target.address
    else:
        assert parts.hostname == target.host
        assert any(character.isalpha() for character in target.host.rpartition(".")[2])


PATTERNS = st.sampled_from([*CATALOG]).flatmap(
    lambda name: st.builds(
        lambda start, length: name[:start] + "*" + name[start + length :],
        st.integers(0, len(name)),
        st.integers(0, len(name)),
    )
)


def _like(pattern: str, text: str) -> bool:
    """LIKE, for patterns of this alphabet, by way of fnmatch."""
    return fnmatchcase(text, pattern.replace("\\_", "_").replace("%", "*"))


@given(PATTERNS | st.sampled_from(["cluster.*.completed", "node.failed", "*", "cluster.*"]))
def test_patterns_mean_the_same_in_sql(pattern: str) -> None:
    in_sql = {name for name in CATALOG if any(_like(each, name) for each in likes([pattern]))}
    assert {name for name in CATALOG if matches(pattern, name)} == in_sql
