"""The models of one provider as it lists them: kept for a while, renewed behind those who ask."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.domain.cards import ModelCard
from app.domain.failures import GenerationFailure
from app.domain.providers import Embedding, Provider
from app.providers import shipped
from app.providers.discovery import Discovered
from app.providers.errands import Errand


class Pace(NamedTuple):
    """Seconds for which a list is good, and before one that failed or lacks a name is asked for again."""

    fresh: float
    again: float


REMOTE = Pace(fresh=600.0, again=60.0)
# `ollama pull` makes a model within a minute, and asking the machine beside us costs nothing.
LOCAL = Pace(fresh=30.0, again=3.0)


class Listing:
    """One provider with its list; until one comes, and while it is away, the shipped table or the last list.

    Only the very first list is waited for, as long as the caller has time (`until`, by the event loop's clock), and
    one in which a name was not found. `clock` counts seconds; `fetch_seconds` bounds one call of the provider's list.
    """

    def __init__(self, provider: Provider, *, clock: Callable[[], float], fetch_seconds: float) -> None:
        self.provider = provider
        self.local = provider.id in shipped.LOCAL
        self._clock = clock
        self._fetch_seconds = fetch_seconds
        self._pace = LOCAL if self.local else REMOTE
        self._errand = Errand(self._fetch)
        self._forget()

    @property
    def configured(self) -> bool:
        return not isinstance(self.provider, Discovered)

    @property
    def asked(self) -> bool:
        """Whether its list has come, or failed to: nobody waits for it any more."""
        return self._asked is not None

    async def present(self, until: float) -> bool:
        """Whether there is such a provider: always, where it is configured."""
        if not isinstance(self.provider, Discovered):
            return True
        if await self.provider.present(until):
            return True
        self._forget()  # another server, with other models, may be the next to listen there
        return False

    async def cards(self, until: float) -> Sequence[ModelCard]:
        """The list at hand, which is renewed behind the caller when it is due; none of a provider that is not there."""
        if not await self.present(until):
            return ()
        if self._asked is None:
            await self._errand.wait(until)
        elif self._clock() >= self._due:
            self._errand.start()
        return list(self._cards.values())

    async def newest(self, until: float) -> Sequence[ModelCard]:
        """A list that was asked for a moment ago: for a name that the one at hand does not have."""
        if not await self.present(until):
            return ()
        if self._errand.under_way or self._asked is None or self._clock() >= self._asked + self._pace.again:
            await self._errand.wait(until)
        return list(self._cards.values())

    async def embedders(self, until: float) -> Sequence[ModelCard]:
        """What the list at hand has beside models to chat with."""
        if isinstance(self.provider, Embedding):
            await self.cards(until)
        return self._embedders

    def known(self, model: str) -> ModelCard | None:
        """The model's card, as far as the list at hand knows it."""
        return self._cards.get(shipped.canonical(self.provider.id, model))

    async def aclose(self) -> None:
        await self._errand.cancel()
        await self.provider.aclose()

    def _forget(self) -> None:
        self._cards = {card.id: card for card in shipped.cards(self.provider.id)}
        self._embedders: Sequence[ModelCard] = ()
        self._asked: float | None = None
        self._due = float("-inf")

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(self._fetch_seconds):
                listed = await self.provider.models()
        except (GenerationFailure, TimeoutError):
            self._asked = self._clock()
            self._due = self._asked + self._pace.again
        else:
            self._cards = {card.id: card for card in listed}
            self._embedders = list(self.provider.embedders()) if isinstance(self.provider, Embedding) else ()
            self._asked = self._clock()
            self._due = self._asked + self._pace.fresh
