"""What a model is asked beside an answer: its clocks, and what is booked of it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from decimal import Decimal

import pytest

from app.domain.cards import ModelCard
from app.domain.events import Finish, FinishReason, Prompted, ProviderEvent, TextDelta, Usage
from app.domain.failures import GenerationFailure
from app.domain.prompts import ModelMessage, ModelRequest
from app.domain.usage import Purpose
from app.generation.asides import AsideLimits, Asides
from app.providers.offline import OfflineProvider

PROMPT = Prompted(90, cached_input_tokens=40, cache_write_tokens=30)
REQUEST = ModelRequest(ModelCard("offline", "responder"), [ModelMessage("user", "Hello")], None, 64, None)


class Slow(OfflineProvider):
    """Tells at once what the prompt takes, the rest after `pause` seconds."""

    def __init__(self, pause: float, *rest: ProviderEvent) -> None:
        self._pause = pause
        self._rest = rest

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        yield [PROMPT]
        await asyncio.sleep(self._pause)
        yield self._rest


@pytest.fixture
def asides() -> Asides:
    return Asides(Purpose.TITLE, lambda card, usage: Decimal(0), AsideLimits(first=2.0, gap=0.02))


async def test_a_prompt_that_is_counted_is_no_beginning_of_an_answer(asides: Asides) -> None:
    answer = await asides.ask(Slow(0.08, TextDelta(b'"Hi"'), Finish(FinishReason.STOP)), REQUEST)
    assert answer == "Hi"


@pytest.mark.parametrize(
    ("provider", "outcome", "written"),
    [(Slow(0, TextDelta(b'"Hi"')), "upstream_cut", 1), (Slow(9), "upstream_timeout", 0)],
)
async def test_of_a_broken_call_the_prompt_is_booked_as_its_vendor_counts(
    asides: Asides, provider: Slow, outcome: str, written: int
) -> None:
    with pytest.raises(GenerationFailure):
        await asides.ask(provider, REQUEST)
    [booked] = asides.attempts
    assert (booked.outcome, booked.estimated) == (outcome, True)
    assert booked.usage == Usage(90, written, cached_input_tokens=40, cache_write_tokens=30)
