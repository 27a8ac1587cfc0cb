"""Answers of no conversation: of each nothing is stored but what it used, or its log where somebody may repeat it."""

from collections.abc import Callable, Sequence

from app.core.metrics import Metrics
from app.database import Database, Transaction
from app.domain.chat import Failure, Generation, Status
from app.domain.events import (
    Finish,
    FinishReason,
    Kind,
    LogEvent,
    Prompted,
    ProviderEvent,
    ReasoningSignature,
    RedactedReasoning,
    RefusalDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from app.domain.failures import GenerationFailure
from app.domain.text import pieces
from app.domain.usage import Attempt
from app.generation import codec
from app.generation.bookings import Bookings
from app.generation.endings import LOST, Ending
from app.generation.log import EventLog
from app.generation.payloads import (
    encode,
    passage_last_events,
    start_payload,
    tool_input_payload,
    usage_payload,
)
from app.generation.publishing import Publication
from app.generation.recorder import PIECE_BYTES, Recorder


class PassageRecorder(Recorder):
    """Logs also what a conversation of ours has no use for: calls of tools, seals of thoughts, and all counts."""

    __slots__ = ()

    def _take(self, event: ProviderEvent) -> None:
        super()._take(event)
        match event:
            case ToolCallDelta(index, raw):
                self._count(len(raw))
                for piece in [raw] if len(raw) <= PIECE_BYTES else pieces(raw, PIECE_BYTES):
                    self._log.append(Kind.TOOL_INPUT, tool_input_payload(index, piece))
            case RefusalDelta():
                self._append(Kind.REFUSAL, event.raw)
            case ToolCallStart(index, call_id, name):
                self._note(Kind.TOOL_CALL, encode({"index": index, "id": call_id, "name": name}))
            case ReasoningSignature(signature):
                self._note(Kind.SEAL, encode({"signature": signature}))
            case RedactedReasoning(data):
                self._note(Kind.SEAL, encode({"redacted": data}))
            case Prompted():
                self._used(event.answered(0))
            case Usage():
                self._used(event)

    def declined(self, failure: GenerationFailure) -> bool:
        self.finish = Finish(FinishReason.REFUSED)
        return True

    def _used(self, usage: Usage) -> None:
        """Nobody sees it by itself: an attempt that fails behind it may be followed by another."""
        payload = usage_payload(usage)
        self._count(len(payload))
        self._log.append(Kind.USAGE, payload)

    def _note(self, kind: Kind, payload: bytes) -> None:
        self._count(len(payload))
        self.visible = True
        self._log.append(kind, payload)


class AtOnce:
    """The publisher of passages, at each of which nobody looks but its readers here."""

    def open(self, generation: Generation, log: EventLog, fenced: Callable[[], None]) -> Publication:
        return _Publication(log)


class _Publication:
    __slots__ = ("_log",)

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def wrote(self, size: int) -> None:
        self._log.publish()

    def ended(self) -> None:
        """There is nothing to share."""

    def drop(self) -> None:
        """There is nothing to take back."""


class PassageEndings:
    """Books what a passage used, then says how it ended."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self.bookings = Bookings(database)
        self._metrics = metrics

    async def conclude(self, generation: Generation, log: EventLog, ending: Ending) -> bool:
        """End the log; answers true. The ledger comes first, as far as it comes soon, and with it what is kept."""
        events = _last_events(log, ending)
        content = (await codec.compress_aside([*log.written(), *events]))[0] if is_kept(generation) else None
        await self.book(generation, ending.attempts, content)
        self._say(generation, log, ending)
        return True

    def give_up(self, generation: Generation, log: EventLog, failure: Failure) -> None:
        """End the log where there is no time left to end it well."""
        self._say(generation, log, Ending(Status.FAILED, failure))

    async def book(self, generation: Generation, attempts: Sequence[Attempt], content: bytes | None = None) -> None:
        """Have calls booked that belong to no stored generation, and its log kept as `content` if it is one that is;
        waits for it for a moment only."""
        if not attempts and content is None:
            return

        async def write(tx: Transaction) -> None:
            # Of a user who is gone nothing is kept; held, for the ledger refers to nobody by key.
            if attempts and await tx.users.hold(generation.user_id):
                tx.usage.book_passage(generation, attempts)
            if content is not None:
                tx.kept_answers.end(generation.id, content)

        await self.bookings.see_to(self.bookings.write(write, reference=generation.id))

    async def settle(self, seconds: float) -> None:
        """Wait at most so long for what is not booked yet."""
        await self.bookings.settle(seconds)

    def _say(self, generation: Generation, log: EventLog, ending: Ending) -> None:
        if log.ended:
            return
        log.extend(_last_events(log, ending))
        log.end()
        self._metrics.ended(
            generation.model.partition("/")[0],
            ending.status.value,
            ending.failure.code.value if ending.failure else None,
        )
        for attempt in ending.attempts:
            used = attempt.usage
            self._metrics.attempt(
                attempt.provider, attempt.outcome, input_tokens=used.input_tokens, output_tokens=used.output_tokens
            )


def is_kept(generation: Generation) -> bool:
    """Whether somebody may come back to a passage. Then a row says that this instance owns it."""
    return bool(generation.owner_id)


def lost(generation: Generation) -> Sequence[LogEvent]:
    """What is told of one whose instance went down before its end."""
    start = LogEvent(1, Kind.START, start_payload(generation))
    return [start, *passage_last_events(1, Status.FAILED, failure=LOST, usage=None, finish=None)]


def _last_events(log: EventLog, ending: Ending) -> Sequence[LogEvent]:
    last = ending.attempts[-1] if ending.attempts else None
    usage = last.usage if last and (ending.bill is not None or ending.status is Status.COMPLETE) else None
    return passage_last_events(
        log.written_seq, ending.status, failure=ending.failure, usage=usage, finish=ending.finish
    )
