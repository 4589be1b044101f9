"""Sends one attempt: signs the body, posts it, reads the response.

Rule: tests, first attempts, retries and redeliveries are all sent here. One time limit covers DNS, connection, TLS and
response. Connections are kept for a short time; each of them leads to an address that was checked when it was opened.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.notifier.egress import Egress, Unreachable
from services.notifier.exchange import Answer, Broken, Exchange
from shared.domain.clock import utc_now
from shared.telemetry.trace import HEADER
from shared.webhooks.signing import signatures
from shared.webhooks.targets import Forbidden, Target

IDLE_SECONDS = 10.0
LONGEST_USE = 60.0
_SHOWN_HEADERS = 32
_SHOWN_VALUE = 300
SHOWN_BODY = 2000
_Key = tuple[bool, str, int]


@dataclass(slots=True)
class Attempt:
    """What was sent and what came back. Without a status, `error` says why; `kind` is for metrics."""

    kind: str
    started: float
    seconds: float
    request_headers: dict[str, str]
    status: int | None = None
    error: str | None = None
    retry_after: str | None = None
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""


class Sender:
    """Args:
    egress: opens connections.
    timeout_seconds: limit for one attempt.
    """

    def __init__(self, egress: Egress, *, timeout_seconds: float) -> None:
        self._egress = egress
        self._timeout = timeout_seconds
        self._idle: defaultdict[_Key, deque[Exchange]] = defaultdict(deque)

    async def send(
        self,
        url: str,
        keys: Sequence[bytes],
        *,
        message_id: str,
        content_type: str,
        body: bytes,
        trace: str | None = None,
    ) -> Attempt:
        """Make one attempt. Never raises an exception for what the receiver or its name server does.

        Args:
            trace: `traceparent` of the event, so that the receiver can continue its trace.
        """
        started = utc_now().timestamp()
        headers = {
            "content-type": content_type,
            "user-agent": "Jeroboam-Webhooks/1",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(started)),
            "webhook-signature": signatures(keys, message_id, int(started), body),
        }
        if trace is not None:
            headers[HEADER] = trace
        clock = time.perf_counter()
        kind, answer, error = await self._attempted(url, headers, body)
        attempt = Attempt(kind, started, time.perf_counter() - clock, headers, error=error)
        if answer is not None:
            _describe(attempt, answer)
        return attempt

    async def _attempted(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[str, Answer | None, str | None]:
        try:
            target = self._egress.policy.parse(url)
            async with asyncio.timeout(self._timeout):
                answer = await self._exchanged(target, _request(target, headers, body))
        except Forbidden as error:
            return "refused", None, f"not sent: {error}"
        except TimeoutError:
            return "timeout", None, f"no complete response within {self._timeout:g} s"
        except (Unreachable, Broken) as error:
            return "unreachable", None, str(error)
        except (OSError, ssl.SSLError) as error:
            return "unreachable", None, f"connection failed: {error}"
        if 200 <= answer.status < 300:
            return "delivered", answer, None
        return "rejected", answer, f"the receiver answered {answer.status}"

    async def _exchanged(self, target: Target, request: Sequence[bytes]) -> Answer:
        kept = self._kept(target)
        if kept is not None:
            try:
                return await self._on(kept, target, request)
            except Broken as error:
                # The receiver closed the connection while it was idle.
                if not error.untouched:
                    raise
        return await self._on(await self._egress.connect(target), target, request)

    async def _on(self, connection: Exchange, target: Target, request: Sequence[bytes]) -> Answer:
        try:
            answer = await connection.send(request)
        except BaseException:
            connection.close()
            raise
        if connection.reusable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle[_key(target)].append(connection)
        else:
            connection.close()
        return answer

    def _kept(self, target: Target) -> Exchange | None:
        connections = self._idle.get(_key(target))
        now = asyncio.get_running_loop().time()
        while connections:
            connection = connections.pop()
            if connection.reusable and _fresh(connection, now):
                return connection
            connection.close()
        return None

    def close_idle(self, *, every: bool = False) -> None:
        """Close connections that were not used for some time; called regularly, and with `every` at the end."""
        now = asyncio.get_running_loop().time()
        for key, connections in list(self._idle.items()):
            kept = deque(each for each in connections if not every and each.reusable and _fresh(each, now))
            for connection in connections:
                if connection not in kept:
                    connection.close()
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]


def _fresh(connection: Exchange, now: float) -> bool:
    return now - connection.idle_since < IDLE_SECONDS and now - connection.opened < LONGEST_USE


def _key(target: Target) -> _Key:
    return target.tls, target.host, target.port


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> Sequence[bytes]:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {target.path} HTTP/1.1\r\nhost: {target.authority}\r\n{lines}"
        f"content-length: {len(body)}\r\naccept-encoding: identity\r\n\r\n"
    )
    return head.encode("ascii"), body


def _describe(attempt: Attempt, answer: Answer) -> None:
    attempt.status = answer.status
    attempt.retry_after = answer.header("retry-after")
    attempt.response_headers = {
        name: value[:_SHOWN_VALUE].replace("\x00", "�") for name, value in answer.headers[:_SHOWN_HEADERS]
    }
    attempt.response_body = bytes(answer.body[:SHOWN_BODY]).decode(errors="replace").replace("\x00", "�")
