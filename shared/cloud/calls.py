"""Synchronous SDK calls from asynchronous code: one bounded pool of threads, and a limit on every call.

Rule: a thread cannot be cancelled, so a call has two limits: the HTTP adapter's, which ends the thread's work, and
`asyncio.timeout`, which ends our wait. A call that finishes after we stopped waiting must do no harm, which holds
because every method of `Cloud` may be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from shared.cloud.errors import from_exception
from shared.domain.errors import TemporaryError

T = TypeVar("T")


class Calls:
    """Runs SDK calls; made once per process.

    Args:
        threads: how many run at once; more wait in line, which counts against their timeout.
        timeout: seconds for one call, its wait in line included.
    """

    def __init__(self, *, threads: int, timeout: float) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="openstack")
        self._timeout = timeout

    async def run(self, doing: str, function: Callable[[], T]) -> T:
        """Run `function` in a thread.

        Args:
            doing: what is attempted, for error messages.

        Raises:
            JeroboamError: whatever the SDK raised, translated. What is not the SDK's is raised as it is.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                return await loop.run_in_executor(self._pool, function)
        except TimeoutError as error:
            raise TemporaryError(f"{doing}: no answer within {self._timeout:g} s") from error
        except Exception as error:
            translated = from_exception(error, doing=doing)
            if translated is None or translated is error:
                raise
            raise translated from error

    async def close(self) -> None:
        """Let running calls end by their own timeouts; take no more. Does not wait for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)
