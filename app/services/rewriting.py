"""Questions that go on from what was said, made to stand alone, so that documents can be searched for them."""

import logging
from collections.abc import Sequence

from app.domain.cards import ModelCard
from app.domain.chat import Author, Said
from app.domain.failures import GenerationFailure
from app.domain.prompts import Effort, ModelMessage, ModelRequest
from app.domain.providers import Provider
from app.domain.usage import Purpose
from app.generation.asides import AsideLimits, Asides
from app.generation.attempts import Price
from app.services.grounded_wording import grounded_wording
from app.services.side_models import Side, SideModel
from app.services.wording import wording_for

logger = logging.getLogger(__name__)

OFFLINE = "offline"
"""The provider that is no model."""
_LIMITS = AsideLimits(first=8.0, gap=4.0, whole=12.0)
_MESSAGES = 6
_SHOWN = 1000
"""Characters of each."""
_ANSWER = 300
_THOUGHTS = 1000
"""Tokens beside the answer, for models that reason even where they are told not to."""
_LONGEST = 500


class Rewriting:
    """By the model that is set for it, else by the one that answers. Whatever fails of it is logged, and changes
    nothing."""

    def __init__(self, model: SideModel, price: Price) -> None:
        self._model = model
        self._price = price

    def asides(self) -> Asides:
        """For the calls of one generation."""
        return Asides(Purpose.REWRITE, self._price, _LIMITS)

    async def standing_alone(
        self, question: str, said: Sequence[Said], asides: Asides, card: ModelCard, provider: Provider
    ) -> str | None:
        """The question in words that need nothing else, which may be its own; None where nobody can tell."""
        side = await self._model.find() if self._model.is_set else Side(card, provider)
        if side is None or side.provider.id == OFFLINE or not said:
            return None
        try:
            told = await asides.ask(side.provider, _request(side, question, said))
        except GenerationFailure as failure:
            logger.warning("a question was not rewritten", extra={"code": failure.code.value})
            return None
        line = next((line.strip() for line in told.splitlines() if line.strip()), "")
        return line if 0 < len(line) <= _LONGEST else None


def latest_question(said: Sequence[Said]) -> str | None:
    """What the user asked before."""
    return next((each.content for each in reversed(said) if each.role is Author.USER), None)


def _request(side: Side, question: str, said: Sequence[Said]) -> ModelRequest:
    names, wording = wording_for(question), grounded_wording(question)
    lines = [
        f"{names.user if each.role is Author.USER else names.assistant}: {each.content[:_SHOWN]}"
        for each in said[-_MESSAGES:]
        if each.content
    ]
    asked = "\n\n".join((wording.conversation, *lines, wording.latest, question[:_SHOWN]))
    tokens = _ANSWER + (_THOUGHTS if side.card.reasons else 0)
    return ModelRequest(
        model=side.card,
        messages=[ModelMessage("user", asked)],
        system_prompt=wording.rewrite,
        max_tokens=min(tokens, side.card.max_output_tokens or tokens),
        temperature=None,
        effort=Effort.NONE,
    )
