"""A server that keeps questions waiting, because it loads its model or hangs: it is waited for once, for all."""

import time
from collections.abc import Awaitable, Callable

from app.domain.failures import GenerationFailure
from app.providers.embedders.source import TooMuch
from app.providers.errands import Errand

LONG = 1.0
"""Seconds: a question that is answered takes some hundredths."""
_PAUSE = 5.0
"""Seconds until a server that could not be woken is asked a question again."""


class Waking:
    """Who gives up waiting breaks off the request, and with it, at an Ollama, the loading of the model, so that no
    question would ever be answered. So one request is let go on, and until it is answered questions do without.

    `wake` asks for any vector. `clock` counts seconds.
    """

    def __init__(self, wake: Callable[[], Awaitable[object]], clock: Callable[[], float] = time.monotonic) -> None:
        self._wake = wake
        self._clock = clock
        self._errand = Errand(self._woken)
        self._until = float("-inf")

    @property
    def under_way(self) -> bool:
        return self._errand.under_way or self._clock() < self._until

    def waited(self, seconds: float) -> None:
        """A question has waited so long for nothing."""
        if seconds >= LONG:
            self._errand.start()

    async def cancel(self) -> None:
        await self._errand.cancel()

    async def _woken(self) -> None:
        try:
            await self._wake()
        except (GenerationFailure, TooMuch):
            self._until = self._clock() + _PAUSE
