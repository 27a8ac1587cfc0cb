"""What a model is asked beside an answer: for a summary of what no longer fits, or for a title."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from app.core.metrics import Metrics
from app.domain.chat import Status
from app.domain.events import Finish, Prompted, ProviderEvent, TextDelta, Usage, only_prompted
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import ModelRequest
from app.domain.providers import Provider
from app.domain.text import decode
from app.domain.tokens import estimate
from app.domain.usage import Attempt, Purpose
from app.generation.attempts import Price

_LATE, _CUT = FailureCode.UPSTREAM_TIMEOUT, FailureCode.UPSTREAM_CUT
_ENDLESS = FailureCode.UPSTREAM_PROTOCOL
_TRAILER = 2.0
"""Seconds in which the usage report is to follow the end of an answer."""
_MOST = 64 * 1024
"""Bytes of an answer."""
_THOUGHTS = re.compile(r"\s*<think>.*?(</think>|\Z)", re.DOTALL)
"""With which an answer begins where a model's server does not tell them apart."""


@dataclass(frozen=True, slots=True)
class AsideLimits:
    """Seconds until the first event of a call, between two, and of all calls together."""

    first: float = 30.0
    gap: float = 15.0
    whole: float = 60.0


@dataclass(slots=True)
class _Call:
    request: ModelRequest
    raws: list[bytes] = field(default_factory=list)
    size: int = 0
    prompted: Prompted | None = None
    usage: Usage | None = None
    finished: bool = False

    @property
    def text(self) -> str:
        return decode(self.raws)

    def take(self, batch: Sequence[ProviderEvent]) -> None:
        """Raises GenerationFailure when it grows out of bounds; what the model thought is passed over."""
        for event in batch:
            if isinstance(event, TextDelta):
                self.raws.append(event.raw)
                self.size += len(event.raw)
            elif isinstance(event, Prompted):
                self.prompted = event
            elif isinstance(event, Usage):
                self.usage = event
            elif isinstance(event, Finish):
                self.finished = True
        if self.size > _MOST:
            raise GenerationFailure(_ENDLESS, "The model did not come to an end.", retryable=False)


class Asides:
    """The calls for one purpose of one generation: each once, under clocks of its own, on none of its log.

    `attempts` is what the ledger is to hold of them, however they ended.
    """

    def __init__(self, purpose: Purpose, price: Price, limits: AsideLimits) -> None:
        self._purpose = purpose
        self._price = price
        self._limits = limits
        self._until: float | None = None
        self.attempts: list[Attempt] = []

    async def ask(self, provider: Provider, request: ModelRequest) -> str:
        """The whole answer, perhaps empty, without thoughts. Raises GenerationFailure.

        When it is cancelled the upstream is closed.
        """
        call = _Call(request)
        try:
            await self._read(provider, call)
        except TimeoutError:
            self._judge(call, GenerationFailure(_LATE, "The model did not answer in time.", retryable=True))
        except GenerationFailure as failure:
            self._judge(call, failure)
        except asyncio.CancelledError:
            self._book(call, Status.STOPPED.value)
            raise
        else:
            self._book(call, Status.COMPLETE.value)
        thoughts = _THOUGHTS.match(call.text)
        return call.text[thoughts.end() :] if thoughts else call.text

    async def _read(self, provider: Provider, call: _Call) -> None:
        limits, now = self._limits, asyncio.get_running_loop().time
        if self._until is None:
            self._until = now() + limits.whole
        async with (
            asyncio.timeout_at(self._until),
            asyncio.timeout(limits.first) as clock,
            aclosing(provider.stream(call.request)) as batches,
        ):
            async for batch in batches:
                call.take(batch)
                if not only_prompted(batch):
                    clock.reschedule(now() + (min(limits.gap, _TRAILER) if call.finished else limits.gap))
        if not call.finished:
            raise GenerationFailure(_CUT, "The model's server closed the connection.", retryable=True)

    def _judge(self, call: _Call, failure: GenerationFailure) -> None:
        """Book a call that did not end well, and raise why; after its end only the usage report was lost."""
        self._book(call, Status.COMPLETE.value if call.finished else failure.code.value)
        if not call.finished:
            raise failure

    def _book(self, call: _Call, outcome: str) -> None:
        card, usage = call.request.model, call.usage
        begun = bool(call.raws) or call.prompted is not None
        if usage is None and not begun and outcome not in (Status.COMPLETE.value, Status.STOPPED.value):
            usage, estimated = Usage(0, 0), True
        else:
            usage, estimated = usage or _estimate(call), usage is None
        self.attempts.append(
            Attempt(
                number=len(self.attempts) + 1,
                provider=card.provider,
                model=card.id,
                usage=usage,
                estimated=estimated,
                cost=self._price(card, usage),
                outcome=outcome,
                purpose=self._purpose,
            )
        )


def _estimate(call: _Call) -> Usage:
    prompt = [call.request.system_prompt or "", *(message.text for message in call.request.messages)]
    prompted = call.prompted or Prompted(sum(map(estimate, prompt)))
    return prompted.answered(estimate(call.text) if call.raws else 0)


def count(metrics: Metrics, attempts: Sequence[Attempt]) -> None:
    """Count calls that are booked."""
    for each in attempts:
        used = each.usage
        metrics.attempt(each.provider, each.outcome, input_tokens=used.input_tokens, output_tokens=used.output_tokens)
