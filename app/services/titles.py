"""Titles for conversations by a small model, once their first answer is whole."""

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from app.core.errors import DatabaseUnavailable
from app.core.metrics import Metrics
from app.database import Database
from app.domain.chat import Generation
from app.domain.events import Kind
from app.domain.failures import GenerationFailure
from app.domain.prompts import Effort, ModelMessage, ModelRequest
from app.domain.usage import Purpose
from app.generation.asides import AsideLimits, Asides, count
from app.generation.attempts import Price
from app.generation.codec import answer_text
from app.generation.log import EventLog
from app.services.side_models import Side, SideModel
from app.services.wording import wording_for

logger = logging.getLogger(__name__)

LONGEST = 60
"""Characters of a title."""
_SHOWN = 1000
"""Characters of the question, and of the answer, that the model is shown."""
_EVENTS = 500
"""Of the log of an answer that are looked at for so many."""
_AT_ONCE = 2
_WAITING = 50
"""More are not begun: their conversations keep the titles that they have."""
_ANSWER = 200
_THOUGHTS = 1000
"""Tokens beside the answer, for models that reason even where they are told not to."""
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds between tries to save one."""
_DRAIN = 2.0
"""Seconds for what is broken off to be booked."""

_PREFACE = re.compile(r"(title|标题|题目)\s*[:：]\s*", re.IGNORECASE)
_MARKS = " \t*_`~"
_BEFORE = _MARKS + "#-–—•"
_BEHIND = _MARKS + ".。．,，;；:：!！?？…、-–—"
_PAIRS = dict(zip("\"'“‘«「『《【[(（", "\"'”’»」』》】])）", strict=True))
_KEPT = "\t\u200d"
"""Of what does not print: between words, and within emoji."""


@dataclass(frozen=True, slots=True)
class _Job:
    generation: Generation
    title: str
    """The one that it has by its first message; another, which the user gave it, stays."""
    question: str
    answer: str


class Titles:
    """Whatever fails here is logged, without what was said, and changes nothing."""

    def __init__(
        self, database: Database, model: SideModel, price: Price, metrics: Metrics, limits: AsideLimits
    ) -> None:
        self._database = database
        self._model = model
        self._price = price
        self._metrics = metrics
        self._limits = limits
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._jobs: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[str]] = set()
        self._draining = False

    @property
    def on(self) -> bool:
        """Whether a model is set for them."""
        return self._model.is_set

    def naming(self, generation: Generation, *, title: str, question: str) -> Callable[[EventLog], None]:
        """What is to happen when the answer of this generation is whole."""

        def begin(log: EventLog) -> None:
            if not self._draining and len(self._jobs) < _WAITING:
                answer = answer_text(islice((each for each in log.after(0) if each.kind is Kind.TEXT), _EVENTS))
                self._begin(_Job(generation, title, question[:_SHOWN], answer[:_SHOWN]))

        return begin

    @property
    def busy(self) -> bool:
        """Whether any title is being asked for, or is to be."""
        return bool(self._jobs)

    async def drain(self) -> None:
        """Break off what is under way, upstream too, and begin nothing new."""
        self._draining = True
        for call in self._calls:
            call.cancel()
        if self._jobs:
            _, late = await asyncio.wait(self._jobs, timeout=_DRAIN)
            for job in late:
                job.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _begin(self, job: _Job) -> None:
        task = asyncio.create_task(self._named(job), name=f"title {job.generation.conversation_id}")
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def _named(self, job: _Job) -> None:
        """The edge of a task that nobody waits for."""
        told = {"generation_id": job.generation.id}
        try:
            async with self._turns:
                if not self._draining:
                    await self._name(job)
        except GenerationFailure as failure:
            logger.warning("a title failed", extra={**told, "code": failure.code.value})
        except DatabaseUnavailable:
            logger.warning("a title was not stored", extra=told)
        except Exception:
            logger.exception("a title failed", extra=told)

    async def _name(self, job: _Job) -> None:
        side = await self._model.find()
        if side is None or not await self._is_as_it_was(job):
            return
        asides = Asides(Purpose.TITLE, self._price, self._limits)
        title = ""
        try:
            title = clean(await self._ask(asides, side, job))
        finally:
            await self._save_patiently(job, title, asides)

    async def _ask(self, asides: Asides, side: Side, job: _Job) -> str:
        call = asyncio.create_task(asides.ask(side.provider, _request(side, job)))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        try:
            return await call
        except asyncio.CancelledError:
            call.cancel()
            if not self._draining:
                raise
            return ""  # broken off, and booked by now

    async def _is_as_it_was(self, job: _Job) -> bool:
        generation = job.generation
        async with self._database.snapshot() as tx:
            found = await tx.conversations.get(generation.user_id, generation.conversation_id)
        return found is not None and found.title == job.title

    async def _save_patiently(self, job: _Job, title: str, asides: Asides) -> None:
        """A database that is away is waited for, for what was asked is owed. Raises DatabaseUnavailable in the end."""
        for pause in _PAUSES:
            try:
                await self._save(job, title, asides)
            except DatabaseUnavailable:
                await asyncio.sleep(pause)
            else:
                return
        await self._save(job, title, asides)

    async def _save(self, job: _Job, title: str, asides: Asides) -> None:
        generation, user_id = job.generation, job.generation.user_id
        async with self._database.transaction() as tx:
            # Held, for the ledger refers to nobody by key: of one who goes at this moment nothing is kept.
            if not await tx.users.hold(user_id):
                return
            tx.usage.book(generation, asides.attempts, again=False)
            if title and await tx.conversations.retitle(generation.conversation_id, title, instead_of=job.title):
                tx.search.retitle(user_id, generation.conversation_id, title)
        count(self._metrics, asides.attempts)


def clean(said: str) -> str:
    """A title on one line of at most 60 characters, out of whatever a model said; empty where there is none in it."""
    lines = (line.lstrip(_BEFORE) for line in said.splitlines())
    line = _PREFACE.sub("", next(filter(None, lines), ""), count=1)
    line = _bare(" ".join("".join(each for each in line if each.isprintable() or each in _KEPT).split()))
    if len(line) > LONGEST:
        whole_words = line[: LONGEST + 1].rpartition(" ")[0]
        line = (whole_words if len(whole_words) > LONGEST // 2 else line[:LONGEST]).rstrip(_BEHIND)
    return line


def _bare(line: str) -> str:
    """Without what encloses all of it, and without the punctuation behind it."""
    line = line.lstrip(_BEFORE).rstrip(_BEHIND)
    while len(line) > 1 and line.find(_PAIRS.get(line[0], "\0"), 1) == len(line) - 1:
        line = line[1:-1].lstrip(_BEFORE).rstrip(_BEHIND)
    return line if line.strip("".join([*_PAIRS, *_PAIRS.values()])) else ""


def _request(side: Side, job: _Job) -> ModelRequest:
    wording = wording_for(job.question)
    material = f"{wording.question}\n{job.question}\n\n{wording.answer}\n{job.answer}"
    tokens = _ANSWER + (_THOUGHTS if side.card.reasons else 0)
    return ModelRequest(
        model=side.card,
        messages=[ModelMessage("user", material)],
        system_prompt=wording.title,
        max_tokens=min(tokens, side.card.max_output_tokens or tokens),
        temperature=None,
        effort=Effort.NONE,
    )
