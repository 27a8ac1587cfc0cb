"""How many tokens a prompt has, before it is sent."""

import asyncio
import logging
from typing import Protocol, runtime_checkable

from app.core.errors import AnswerFailed
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.identity import Principal
from app.domain.prompt_tokens import FRAMING, prompt_tokens
from app.domain.prompts import ModelRequest
from app.providers.catalogue import Catalogue
from app.services.passages import Make, PassageService

logger = logging.getLogger(__name__)


@runtime_checkable
class Counting(Protocol):
    """A vendor that counts by itself."""

    async def count_tokens(self, request: ModelRequest) -> int:
        """At no cost. Raises GenerationFailure."""
        ...


class TokenCounting:
    def __init__(self, *, catalogue: Catalogue, passages: PassageService) -> None:
        self._catalogue = catalogue
        self._passages = passages

    async def count(self, principal: Principal, model: str, make: Make) -> int:
        """The tokens of a prompt: by the vendor where it counts, else, and while it is away, about.

        Raises UnknownModel, InsufficientScope, Invalid, NotSupported, or AnswerFailed for a prompt that the vendor
        refuses.
        """
        card = await self._passages.card(principal, model)
        request = await asyncio.to_thread(make, card)
        provider = self._catalogue.provider(card)
        provider.check(request)
        if isinstance(provider, Counting):
            try:
                return await provider.count_tokens(request)
            except GenerationFailure as failure:
                if failure.rejected or failure.code is FailureCode.CONTEXT_TOO_LONG:
                    raise AnswerFailed(failure.code.value, failure.detail, rejected=failure.rejected) from failure
                logger.warning("a vendor did not count", extra={"provider": card.provider, "code": failure.code.value})
        return await asyncio.to_thread(prompt_tokens, request, framing=FRAMING)
