"""The models that can be named, and which one a name means."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from app.core.errors import UnknownModel
from app.domain.cards import ModelCard
from app.domain.providers import Provider
from app.providers import shipped
from app.providers.listings import Listing

FETCH_SECONDS = 5.0
MAX_NAME_CHARS = 200


class Catalogue:
    """Owns the providers and finds the model that a name means.

    A name is `provider/id` where the part before the first slash is a provider, else an id, looked for in the order of
    `shipped.ORDER`. A provider that is `Discovered` is one while its server answers, and that is asked only where no
    other has the model. `clock` counts seconds; `fetch_seconds` bounds one call of a provider's list, and how long any
    caller waits for lists.
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
        self._listings = {name: Listing(providers[name], clock=clock, fetch_seconds=fetch_seconds) for name in names}
        self._default = default_model
        self._fetch_seconds = fetch_seconds

    async def models(self) -> Sequence[ModelCard]:
        """Every listed model of every provider; from the shipped table where a provider does not answer."""
        until = self._until()
        lists = await asyncio.gather(*(listing.cards(until) for listing in self._listings.values()))
        return [card for cards in lists for card in cards]

    async def embedders(self) -> Sequence[ModelCard]:
        """What providers list beside models to chat with: models that make vectors."""
        until = self._until()
        lists = await asyncio.gather(*(listing.embedders(until) for listing in self._listings.values()))
        return [card for cards in lists for card in cards]

    async def resolve(self, name: str | None) -> ModelCard:
        """The model of that name, or the default one. Raises UnknownModel."""
        if name is None:
            return await self.default()
        if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
            raise UnknownModel
        until = self._until()
        card = await self._exact(name, until) or self._shipped(name) or await self._listed(name, until)
        if card is None:
            raise UnknownModel(name=name)
        return card

    async def default(self) -> ModelCard:
        """DEFAULT_MODEL, else the default of the first provider that is there. Raises UnknownModel.

        A provider's default is the shipped one, and a local server's the first of its list.
        """
        if self._default:
            try:
                return await self.resolve(self._default)
            except UnknownModel as error:
                raise UnknownModel("No configured provider has the model that DEFAULT_MODEL names.") from error
        until = self._until()
        for provider, listing in self._listings.items():
            if model := shipped.DEFAULTS.get(provider):
                return listing.known(model) or shipped.card(provider, model)
            if listing.local and (cards := await listing.cards(until)):
                return cards[0]
        raise UnknownModel

    def provider(self, card: ModelCard) -> Provider:
        return self._listings[card.provider].provider

    async def present(self, provider: str) -> bool:
        """Whether there is such a provider: always where it is configured, else while its server answers."""
        listing = self._listings.get(provider)
        return listing is not None and await listing.present(self._until())

    async def aclose(self) -> None:
        async with AsyncExitStack() as stack:
            for listing in self._listings.values():
                stack.push_async_callback(listing.aclose)

    def _until(self) -> float:
        return asyncio.get_running_loop().time() + self._fetch_seconds

    async def _exact(self, name: str, until: float) -> ModelCard | None:
        """`provider/id`, listed or not; only a local server has to be asked what the model is."""
        provider, _, model = name.partition("/")
        listing = self._listings.get(provider)
        if listing is None or not model or not await listing.present(until):
            return None
        if listing.local:
            await listing.cards(until)
            if listing.known(model) is None:
                await listing.newest(until)
        return listing.known(model) or shipped.card(provider, shipped.canonical(provider, model))

    def _shipped(self, name: str) -> ModelCard | None:
        for provider, listing in self._listings.items():
            if shipped.knows(provider, name):
                return listing.known(name) or shipped.card(provider, name)
        return None

    async def _listed(self, name: str, until: float) -> ModelCard | None:
        """An id that only a list can have: first in the lists at hand, then in new ones."""
        everyone = list(self._listings.values())
        configured = [listing for listing in everyone if listing.configured]
        others = [listing for listing in everyone if not listing.configured]
        # While the first lists are waited for, looking for a server costs nobody any time.
        rounds = [configured, others] if all(listing.asked for listing in configured) else [everyone]
        for listings in rounds:
            await asyncio.gather(*(listing.cards(until) for listing in listings))
            if card := _first(listings, name):
                return card
        await asyncio.gather(*(listing.newest(until) for listing in everyone))
        return _first(everyone, name)


def _first(listings: Sequence[Listing], name: str) -> ModelCard | None:
    return next((card for listing in listings if (card := listing.known(name))), None)
