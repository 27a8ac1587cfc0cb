"""Providers that nobody configured: they are there while their server answers."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol

from app.domain.cards import ModelCard
from app.domain.events import ProviderEvent
from app.domain.failures import GenerationFailure
from app.domain.prompts import ModelRequest
from app.domain.providers import Embedding, Provider
from app.providers.errands import Errand

LOOK_EACH = 3.0
PROBE_SECONDS = 1.0


class Findable(Provider, Protocol):
    async def answer(self) -> None:
        """Give a sign of life, at next to no cost. Raises GenerationFailure where anything else listens, or nobody."""
        ...


class Discovered:
    """A provider that is looked for when it is needed, at most each `look_each` seconds. `clock` counts seconds."""

    def __init__(
        self,
        provider: Findable,
        *,
        clock: Callable[[], float] = time.monotonic,
        look_each: float = LOOK_EACH,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._look_each = look_each
        self._probe_seconds = probe_seconds
        self._look = Errand(self._probe)
        self._looked = float("-inf")
        self._present = False
        self._in_doubt = False

    @property
    def id(self) -> str:
        return self._provider.id

    async def present(self, until: float) -> bool:
        """Whether its server answers, as of a moment ago; waits for a look at most until that time of the loop."""
        if self._clock() >= self._looked + self._look_each:
            await self._look.wait(until)
        return self._present

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        return self._provider.stream(request)

    def check(self, request: ModelRequest) -> None:
        self._provider.check(request)

    async def models(self) -> Sequence[ModelCard]:
        return await self._provider.models()

    def embedders(self) -> Sequence[ModelCard]:
        return self._provider.embedders() if isinstance(self._provider, Embedding) else ()

    async def aclose(self) -> None:
        await self._look.cancel()
        await self._provider.aclose()

    async def _probe(self) -> None:
        try:
            async with asyncio.timeout(self._probe_seconds):
                await self._provider.answer()
        except TimeoutError:
            # A machine that is busy with an answer may be late once: nobody shall lose their model for that.
            self._present = self._present and not self._in_doubt
            self._in_doubt = True
        except GenerationFailure:
            self._present = self._in_doubt = False
        else:
            self._present, self._in_doubt = True, False
        self._looked = self._clock()
