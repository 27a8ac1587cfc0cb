"""The small models that an operator may set for what users do not ask for: summaries and titles."""

import logging
from dataclasses import dataclass

from app.core.errors import UnknownModel
from app.domain.cards import ModelCard
from app.domain.providers import Provider
from app.providers.catalogue import Catalogue

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Side:
    card: ModelCard
    provider: Provider


class SideModel:
    """The model that the setting `setting` names as `provider/id`; empty, there is none."""

    def __init__(self, catalogue: Catalogue, setting: str, name: str | None) -> None:
        self._catalogue = catalogue
        self._setting = setting
        self._name = name
        self._warned = False

    @property
    def is_set(self) -> bool:
        return self._name is not None

    async def find(self) -> Side | None:
        """None where there is none, or none of that name at present, which is said once."""
        if self._name is None:
            return None
        try:
            card = await self._catalogue.resolve(self._name)
        except UnknownModel:
            if not self._warned:
                self._warned = True
                logger.warning("no provider has a model that is set", extra={"setting": self._setting})
            return None
        return Side(card, self._catalogue.provider(card))
