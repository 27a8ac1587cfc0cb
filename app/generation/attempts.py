"""Calls the upstream until the answer is whole, at most twice, and books each call."""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from decimal import Decimal

from app.core.metrics import Metrics
from app.domain.cards import ModelCard
from app.domain.chat import Status
from app.domain.events import Prompted, Usage, only_prompted
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompt_tokens import prompt_tokens
from app.domain.prompts import ModelRequest
from app.domain.providers import Provider
from app.domain.text import decode
from app.domain.tokens import estimate
from app.domain.usage import Attempt
from app.generation.cited import Cited
from app.generation.deadline import Deadline
from app.generation.log import EventLog
from app.generation.payloads import written
from app.generation.recorder import Recorder

ATTEMPTS = 2
PATIENCE = 5.0
"""Seconds of an upstream's `Retry-After` that are worth waiting; a longer wish is an answer for the user."""

Price = Callable[[ModelCard, Usage], Decimal | None]


class Attempts:
    """The upstream calls of one generation; `booked` holds one entry each, however it ended."""

    def __init__(
        self,
        provider: Provider,
        card: ModelCard,
        recorder: Recorder,
        log: EventLog,
        metrics: Metrics,
    ) -> None:
        self._provider = provider
        self._card = card
        self._recorder = recorder
        self._log = log
        self._metrics = metrics
        self._open = False
        self.booked: list[tuple[Usage, bool, str]] = []

    async def run(self, request: ModelRequest, deadline: Deadline) -> None:
        """Relay the answer into the log. Raises GenerationFailure; what was logged before stays."""
        self._request = request
        for number in range(1, ATTEMPTS + 1):
            try:
                await self._call(deadline)
            except GenerationFailure as failure:
                self._book(failure.code.value)
                if self._final(failure, number):
                    raise
                deadline.restart()
                await asyncio.sleep(failure.retry_after or random.uniform(0.2, 0.6))  # noqa: S311
                deadline.restart()
            else:
                self._book(Status.COMPLETE.value)
                return

    async def run_checked(self, request: ModelRequest, deadline: Deadline, sources: int | None) -> None:
        """The same for an answer from documents, whose marks name one of so many sources."""
        cited = Cited(self._provider, sources)
        self._provider = cited
        try:
            await self.run(request, deadline)
        finally:
            self._metrics.cited(len(cited.marks.cited), cited.marks.dropped)

    def abandon(self, outcome: str) -> None:
        """Book the call that was under way when the generation was interrupted."""
        if self._open:
            self._book(outcome)

    def attempts(self, price: Price) -> list[Attempt]:
        """What the ledger is to hold."""
        return [
            Attempt(
                number=number,
                provider=self._card.provider,
                model=self._card.id,
                usage=usage,
                estimated=estimated,
                cost=price(self._card, usage),
                outcome=outcome,
            )
            for number, (usage, estimated, outcome) in enumerate(self.booked, start=1)
        ]

    async def _call(self, deadline: Deadline) -> None:
        self._open = True
        recorder = self._recorder
        recorder.begin_attempt()
        pace = self._metrics.pace(self._provider.id)
        try:
            async with aclosing(self._provider.stream(self._request)) as batches:
                async for batch in batches:
                    if recorder.visible or not only_prompted(batch):
                        deadline.progress()
                    recorder.record(batch)
                    pace.batch(visible=recorder.visible)
                    if recorder.finish is not None:
                        deadline.finishing()
        except GenerationFailure:
            if recorder.finish is None:
                raise  # after the finish marker the answer is whole, and only the usage report was lost
        if recorder.finish is None:
            raise GenerationFailure(
                FailureCode.UPSTREAM_CUT,
                "The model's server closed the connection in the middle of the answer.",
                retryable=True,
                transient=True,
            )

    def _final(self, failure: GenerationFailure, number: int) -> bool:
        too_long = failure.retry_after is not None and failure.retry_after > PATIENCE
        return self._recorder.visible or not failure.transient or number == ATTEMPTS or too_long

    def _book(self, outcome: str) -> None:
        self._open = False
        reported, begun = self._recorder.usage, self._recorder.visible or self._recorder.prompted is not None
        if reported is not None:
            self.booked.append((reported, False, outcome))
        elif not begun and outcome not in (Status.COMPLETE.value, Status.STOPPED.value):
            self.booked.append((Usage(0, 0), True, outcome))
        else:
            self.booked.append((self._estimate(), True, outcome))

    def _estimate(self) -> Usage:
        """Of what its vendor has not counted: of the answer, and of the prompt where it did not get so far."""
        outputs = decode(map(written, self._log.written()))
        prompted = self._recorder.prompted or Prompted(prompt_tokens(self._request))
        return prompted.answered(estimate(outputs) if outputs else 0)
