"""One cut through a conversation that no longer fits a model: what is before it is summarised once, and stored."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.core.errors import Conflict, DatabaseUnavailable
from app.core.metrics import Metrics
from app.database import Database
from app.domain.chat import Generation, Message, Said
from app.domain.compactions import Compaction
from app.domain.failures import GenerationFailure
from app.domain.paths import Path
from app.domain.prompts import Effort, ModelMessage, ModelRequest
from app.domain.usage import Attempt
from app.generation.asides import Asides, count
from app.repositories.base import new_id, now
from app.services.context import CHARACTERS, Exchange, cost, exchanges, newest_within, weight, window_of
from app.services.side_models import Side, SideModel
from app.services.transcripts import Pieces, Transcript, head, summary_question
from app.services.wording import labelled

logger = logging.getLogger(__name__)

_SUMMARY = 1500
"""Tokens of a summary, at most."""
_SHORTEST = 100
"""Tokens: a summary that may have fewer is none."""
_ANSWER = 2000
"""Tokens that its model may say."""
_PIECES = 4
"""Calls of that model, at most."""
_PIECE = 50_000
"""Tokens that it is given at a time, at most."""
_LEAST = 200
"""The same at least, beside the summary of what came before."""
_INSTRUCTIONS = 400
"""Tokens that it takes to say what is wanted."""
_PAGE = 50
"""Messages that are read at a time; a long one has 200,000 characters."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Between `kept`, which begins with a question, and `last`, the message before it.

    A prompt has so many `tokens` for what is kept and what stands for the rest.
    """

    last: Said
    kept: Sequence[Exchange]
    tokens: int

    @property
    def room(self) -> int:
        """Tokens for a summary."""
        return min(_SUMMARY, self.tokens // 4)

    @property
    def longest_summary(self) -> int:
        """The same as they are estimated: half as much again, for Chinese may take fewer."""
        left = self.tokens - sum(each.tokens for each in self.kept)
        return min(self.room + self.room // 2, left) - cost(labelled(""))


def cut_of(said: Sequence[Said], model: str, tokens: int) -> Cut:
    """Where to cut what no longer fits: so that half the room is free, and the next cuts are far between.

    The newest exchange stays, too, if it leaves room for a summary.
    """
    shown = exchanges(said, model)
    kept = newest_within(shown, tokens // 2) or newest_within(shown[-1:], tokens - tokens // 4)
    first = kept[0].said[0].position if kept else said[-1].position + 1
    last = next(each for each in reversed(said) if each.position < first)
    return Cut(last, kept, tokens)


class Cutting:
    """Makes a cut while a run waits. Whatever fails of that, the turn goes on.

    A summary that failed is not asked for again until the next cut: it is worth neither a wait nor a bill each turn.
    """

    def __init__(
        self,
        database: Database,
        model: SideModel,
        asides: Asides,
        metrics: Metrics,
        generation: Generation,
        compactions: Sequence[Compaction],
        path: Path,
    ) -> None:
        self._database = database
        self._model = model
        self._asides = asides
        self._metrics = metrics
        self._generation = generation
        self._compactions = compactions
        self._path = path
        self._booked = False

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The calls that are not booked yet."""
        return () if self._booked else self._asides.attempts

    async def make(self, cut: Cut, model: str) -> str | None:
        """What stands in prompts for what is before the cut; the cut is stored, with that or with nothing."""
        summary: str | None = None
        try:
            side = await self._model.find() if cut.room >= _SHORTEST else None
            base = self._base(summarising=side is not None)
            transcript = Transcript(_PIECES * _PIECE * CHARACTERS)
            tokens = await self._read(base, cut, model, transcript)
            if side is not None:
                summary = await self._summarise(side, transcript, base.summary if base else None, cut)
            await self._store(cut, tokens, summary, side)
        except DatabaseUnavailable:
            logger.warning("a cut could not be stored", extra={"generation_id": self._generation.id})
        except Conflict:
            logger.debug("deleted while it was cut", extra={"generation_id": self._generation.id})
        return summary

    def _base(self, *, summarising: bool) -> Compaction | None:
        """The former cut that this one goes on from: for a summary, one that has one."""
        former = [each for each in self._compactions if each.summary or not summarising]
        return former[-1] if former else None

    async def _read(self, base: Compaction | None, cut: Cut, model: str, transcript: Transcript) -> int:
        """Go through all from the former cut to this one; answers how many tokens it took from the root on."""
        path = self._path.upto(cut.last.position)
        tokens, cursor = (base.tokens, str(base.position)) if base else (0, None)
        while True:
            async with self._database.snapshot() as tx:
                page = await tx.paths.page(path, limit=_PAGE, cursor=cursor)
            tokens += await asyncio.to_thread(_weight, page.items, model)
            for message in page.items:
                transcript.add(message)
            if page.next_cursor is None:
                return tokens
            cursor = page.next_cursor

    async def _summarise(self, side: Side, transcript: Transcript, former: str | None, cut: Cut) -> str | None:
        window = window_of(side.card)
        answer = min(_ANSWER, window // 4, side.card.max_output_tokens or _ANSWER)
        longest = min(_SUMMARY, window // 6)
        piece = min(_PIECE, window - answer - longest - _INSTRUCTIONS)
        if piece < _LEAST:
            return None
        try:
            pieces = await asyncio.to_thread(transcript.pieces, at_most=_PIECES, tokens=piece)
            for number in range(len(pieces.texts)):
                before = head(former or "", longest)
                request = _request(side, pieces, number, before, cut, answer)
                former = (await self._asides.ask(side.provider, request)).strip()
                if not former:
                    logger.warning("a summary was empty", extra={"generation_id": self._generation.id})
                    return None
        except GenerationFailure as failure:
            told = {"generation_id": self._generation.id, "model": side.card.name, "code": failure.code.value}
            logger.warning("a summary failed", extra=told)
            return None
        return head(former or "", cut.longest_summary) or None

    async def _store(self, cut: Cut, tokens: int, summary: str | None, side: Side | None) -> None:
        last = cut.last
        compaction = Compaction(
            id=new_id(),
            conversation_id=self._generation.conversation_id,
            message_id=last.id,
            branch_id=last.branch_id,
            position=last.position,
            tokens=tokens,
            summary=summary,
            model=side.card.name if side and summary else None,
            created_at=now(),
        )
        attempts = self._asides.attempts
        async with self._database.transaction(durable=False) as tx:
            # Held, for the ledger refers to nobody by key: of one who goes at this moment nothing is kept.
            if not await tx.users.hold(self._generation.user_id):
                return
            tx.compactions.add(compaction)
            tx.usage.book(self._generation, attempts, again=False)
        self._booked = True
        count(self._metrics, attempts)


def _weight(messages: Iterable[Message], model: str) -> int:
    return sum(weight(each, model) for each in messages)


def _request(side: Side, pieces: Pieces, number: int, former: str, cut: Cut, max_tokens: int) -> ModelRequest:
    return ModelRequest(
        model=side.card,
        messages=[ModelMessage("user", summary_question(pieces, number, former))],
        system_prompt=pieces.wording.summarise.format(words=cut.room // 2),
        max_tokens=max_tokens,
        temperature=None,
        effort=Effort.NONE,
    )
