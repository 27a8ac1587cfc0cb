"""A circuit breaker: what has failed several times in a row is left alone until it answers again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TypeVar

from app.stores.cancelling import cancellable

logger = logging.getLogger(__name__)

T = TypeVar("T")

FAILURES = 5
PAUSE = 1.0


class Away(Exception):
    """The part did not do what it was asked, or was not asked at all. The cause, if there is one, is what it said."""


class Breaker:
    """Calls of one part, each within `patience` seconds.

    After FAILURES in a row it is away: nobody waits for it any more, and a task of its own asks it every PAUSE seconds
    whether it is back. Each of the two changes is logged once.
    """

    def __init__(
        self,
        name: str,
        probe: Callable[[], Awaitable[object]],
        errors: tuple[type[Exception], ...],
        *,
        patience: float,
    ) -> None:
        self._name = name
        self._probe = probe
        self._errors: tuple[type[Exception], ...] = (TimeoutError, *errors)
        self._patience = patience
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether it is away."""
        return self._probing is not None and not self._probing.done()

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives. Raises Away; other errors than those that were named pass, and are no failures."""
        if self.open:
            raise Away(self._name)
        try:
            with cancellable():
                async with asyncio.timeout(self._patience):
                    result = await work()
        except self._errors as error:
            self._fail(error)
            raise Away(self._name) from error
        self._failures = 0
        return result

    async def aclose(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait({self._probing})

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= FAILURES and not self.open:
            logger.warning("%s is away", self._name, extra={"error": type(error).__name__})
            # In no request's context: its lines are not that request's.
            self._probing = asyncio.get_running_loop().create_task(self._wait_for_it(), context=Context())

    async def _wait_for_it(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            try:
                with cancellable():
                    async with asyncio.timeout(self._patience):
                        await self._probe()
            except self._errors:
                continue
            self._failures = 0
            logger.warning("%s is back", self._name)
            return
