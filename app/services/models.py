"""The models that a user may choose from."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import Invalid, InvalidCursor, UnknownModel
from app.domain.cards import ModelCard, embedder_card
from app.domain.chat import Page
from app.domain.identity import Grants
from app.providers.catalogue import Catalogue

_LATEST = ":latest"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some of a list, in its order; `more` says whether it goes on in the direction in which it is read."""

    items: Sequence[ModelCard]
    more: bool


class ModelService:
    """`embedder` is the exact name of what makes vectors for the index, if there is one."""

    def __init__(self, catalogue: Catalogue, embedder: str | None = None) -> None:
        self._catalogue = catalogue
        self._embedder = embedder_card(embedder) if embedder else None

    async def page(self, grants: Grants, *, limit: int, cursor: str | None) -> tuple[Page[ModelCard], ModelCard | None]:
        """A page of what these grants allow after the model that `cursor` names, and the model of requests without one.

        The latter is None while the one that DEFAULT_MODEL names is not to be had. Raises InvalidCursor.
        """
        cards, default = await self._allowed(grants)
        first = _index_after(cards, cursor) if cursor else 0
        items = cards[first : first + limit]
        more = first + limit < len(cards)
        return Page(items, items[-1].name if more else None), default

    async def everything(self, grants: Grants) -> Sequence[ModelCard]:
        """All that these grants allow: models to chat with, and those that are known to make vectors."""
        cards, _ = await self._allowed(grants)
        embedders = {card.name: card for card in await self._embedders() if grants.model(card.name)}
        # Some servers list all that they have as if it chatted.
        listed = [embedders.pop(card.name, card) for card in cards]
        return [*listed, *embedders.values()]

    async def stretch(self, grants: Grants, *, limit: int | None, after: str | None, before: str | None) -> Stretch:
        """So many of everything behind the model of one name, or before that of another. Raises Invalid."""
        cards = await self.everything(grants)
        end = _place(cards, before, "before_id") if before else len(cards)
        begin = _place(cards, after, "after_id") + 1 if after else 0
        found = cards[begin:end]
        if limit is None or limit >= len(found):
            return Stretch(found, more=False)
        return Stretch(found[-limit:] if before and not after else found[:limit], more=True)

    async def one(self, grants: Grants, name: str, *, first: str | None = None) -> ModelCard:
        """By an exact name or a bare id, which is looked for at the provider `first` before all others.

        Raises UnknownModel, also for what these grants do not allow.
        """
        plain = name.removesuffix(_LATEST)  # which Ollama's clients put behind every name
        card = await self._known(plain, first) or await self._catalogue.resolve(plain)
        if not grants.model(card.name):
            raise UnknownModel(name=name)
        return card

    async def _known(self, plain: str, first: str | None) -> ModelCard | None:
        """One that makes vectors, which no list of models to chat with may hold; or one that `first` lists."""
        cards = list(await self._embedders())
        if first is not None:
            cards += [card for card in await self._catalogue.models() if card.provider == first]
        return next((card for card in cards if plain in (card.name, card.id)), None)

    async def _allowed(self, grants: Grants) -> tuple[list[ModelCard], ModelCard | None]:
        cards = list(await self._catalogue.models())
        default = await self._default()
        if default is not None and default.name not in {card.name for card in cards}:
            cards.insert(0, default)  # a vendor may serve more than it lists
        return [card for card in cards if grants.model(card.name)], default

    async def _embedders(self) -> Sequence[ModelCard]:
        """The index' own first."""
        listed, own = await self._catalogue.embedders(), self._embedder
        return listed if own is None else [own, *(card for card in listed if card.name != own.name)]

    async def _default(self) -> ModelCard | None:
        try:
            return await self._catalogue.default()
        except UnknownModel:
            return None


def _index_after(cards: list[ModelCard], cursor: str) -> int:
    for index, card in enumerate(cards, start=1):
        if card.name == cursor:
            return index
    raise InvalidCursor


def _place(cards: Sequence[ModelCard], name: str, field: str) -> int:
    for index, card in enumerate(cards):
        if card.name == name:
            return index
    raise Invalid("There is no such model in this list.", field=field)
