"""The models that can be named: each provider's own list, kept for a while, with the shipped facts beside it."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from app.core.errors import UnknownModel
from app.domain.cards import ModelCard
from app.domain.failures import GenerationFailure
from app.domain.providers import Provider
from app.providers import shipped

FRESH_SECONDS = 600.0
RETRY_SECONDS = 60.0
FETCH_SECONDS = 5.0
MAX_NAME_CHARS = 200


class Catalogue:
    """Owns the providers and finds the model that a name means.

    A name is `provider/id` where the part before the first slash is a provider, else an id, looked for in the order of
    `shipped.ORDER`. `clock` counts seconds; `fetch_seconds` bounds one call of a provider's list.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        default_model: str | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        fetch_seconds: float = FETCH_SECONDS,
    ) -> None:
        names = [name for name in shipped.ORDER if name in providers]
        names += [name for name in providers if name not in shipped.ORDER]
        self._providers = {name: providers[name] for name in names}
        self._lists = {name: _Listing(it, clock, fetch_seconds) for name, it in self._providers.items()}
        self._default = default_model

    async def models(self) -> Sequence[ModelCard]:
        """Every listed model of every provider; from the shipped table where a provider does not answer."""
        lists = await asyncio.gather(*(listing.cards() for listing in self._lists.values()))
        return [card for cards in lists for card in cards]

    async def resolve(self, name: str | None) -> ModelCard:
        """The model of that name, or the default one. Raises UnknownModel."""
        if name is None:
            return await self.default()
        if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
            raise UnknownModel
        provider, _, model = name.partition("/")
        if provider in self._providers and model:
            return shipped.card(provider, model)
        for provider in self._providers:
            if shipped.knows(provider, name):
                return shipped.card(provider, name)
        for card in await self.models():
            if card.id == name:
                return card
        raise UnknownModel

    async def default(self) -> ModelCard:
        """DEFAULT_MODEL, else the shipped default of the first provider that is configured. Raises UnknownModel."""
        if self._default:
            try:
                return await self.resolve(self._default)
            except UnknownModel as error:
                raise UnknownModel("No configured provider has the model that DEFAULT_MODEL names.") from error
        for provider in self._providers:
            if model := shipped.DEFAULTS.get(provider):
                return shipped.card(provider, model)
        raise UnknownModel

    def provider(self, card: ModelCard) -> Provider:
        return self._providers[card.provider]

    async def aclose(self) -> None:
        async with AsyncExitStack() as stack:
            for provider in self._providers.values():
                stack.push_async_callback(provider.aclose)


class _Listing:
    """One provider's list: fetched by one caller at a time, and not again before it is due."""

    def __init__(self, provider: Provider, clock: Callable[[], float], fetch_seconds: float) -> None:
        self._provider = provider
        self._clock = clock
        self._fetch_seconds = fetch_seconds
        self._lock = asyncio.Lock()
        self._cards: Sequence[ModelCard] = shipped.cards(provider.id)
        self._due = float("-inf")

    async def cards(self) -> Sequence[ModelCard]:
        """The provider's list; after a failure the last one that came, at first the shipped one, for a minute."""
        if self._clock() >= self._due:
            async with self._lock:
                if self._clock() >= self._due:
                    await self._fetch()
        return self._cards

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(self._fetch_seconds):
                listed = await self._provider.models()
        except (GenerationFailure, TimeoutError):
            self._due = self._clock() + RETRY_SECONDS
        else:
            facts = {card.id: card for card in shipped.cards(self._provider.id)}
            self._cards = [facts.get(card.id, card) for card in listed]
            self._due = self._clock() + FRESH_SECONDS
