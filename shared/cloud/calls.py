"""Runs synchronous SDK calls from asynchronous code: a bounded thread pool, and a timeout for every call.

Rule: a thread cannot be cancelled, so a call has two timeouts: that of the HTTP adapter, which ends the thread's work,
and `asyncio.timeout`, which ends the wait. A call that finishes after the wait ended is harmless, because all methods
of `Cloud` are idempotent, and writes are sent only while their lease lasts (`fence`).
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from shared.domain.errors import PermanentError, TemporaryError
from shared.telemetry.metrics import CLOUD_CALL_SECONDS, CLOUD_CALLS, CLOUD_CALLS_ACTIVE
from shared.telemetry.spans import Kind, Span, span

T = TypeVar("T")


class Calls:
    """Runs SDK calls. One instance per process.

    Args:
        threads: number of concurrent calls; others are queued, which counts toward their timeout.
        timeout: seconds for one call, including its time in the queue.
    """

    def __init__(self, *, threads: int, timeout: float) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="openstack")
        self._timeout = timeout

    async def run(self, doing: str, function: Callable[[], T]) -> T:
        """Run `function` in a thread.

        Args:
            doing: description of the call, for error messages; its first two words name the call in metrics.

        Raises:
            JeroboamError: the translated exception of the SDK. Other exceptions are raised unchanged.
        """
        call = " ".join(doing.split()[:2])
        with span(call, Kind.CLIENT, {"openstack.call": call}) as found:
            return await self._run(doing, call, function, found)

    async def _run(self, doing: str, call: str, function: Callable[[], T], found: Span) -> T:
        loop = asyncio.get_running_loop()
        outcome = "error"
        try:
            with CLOUD_CALLS_ACTIVE.track_inprogress(), CLOUD_CALL_SECONDS.time():
                async with asyncio.timeout(self._timeout):
                    # With the caller's context, which has the fence of its lease.
                    result = await loop.run_in_executor(self._pool, contextvars.copy_context().run, function)
            outcome = "ok"
            return result
        except TimeoutError as error:
            outcome = "timeout"
            raise TemporaryError(f"{doing}: no answer within {self._timeout:g} s") from error
        except Exception as error:
            from shared.cloud.sdk_errors import from_sdk  # it imports openstacksdk

            translated = from_sdk(error, doing=doing)
            outcome = "refused" if isinstance(translated, PermanentError) else "error"
            if translated is None or translated is error:
                raise
            raise translated from error
        finally:
            CLOUD_CALLS.labels(call, outcome).inc()
            found.set("openstack.outcome", outcome)

    async def close(self) -> None:
        """Accept no more calls. Running calls end by their own timeouts; does not wait for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)
