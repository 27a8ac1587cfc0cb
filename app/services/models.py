"""The models that a user may choose from."""

from app.core.errors import InvalidCursor, UnknownModel
from app.domain.cards import ModelCard
from app.domain.chat import Page
from app.domain.identity import Grants
from app.providers.catalogue import Catalogue


class ModelService:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def page(self, grants: Grants, *, limit: int, cursor: str | None) -> tuple[Page[ModelCard], ModelCard | None]:
        """A page of what these grants allow after the model that `cursor` names, and the model of requests without one.

        The latter is None while the one that DEFAULT_MODEL names is not to be had. Raises InvalidCursor.
        """
        cards = list(await self._catalogue.models())
        default = await self._default()
        if default is not None and default.name not in {card.name for card in cards}:
            cards.insert(0, default)  # a vendor may serve more than it lists
        cards = [card for card in cards if grants.model(card.name)]
        first = _index_after(cards, cursor) if cursor else 0
        items = cards[first : first + limit]
        more = first + limit < len(cards)
        return Page(items, items[-1].name if more else None), default

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
