"""Turns what a provider yields into the events of a log, and counts along."""

from collections.abc import Sequence

from app.domain.events import (
    Finish,
    FinishReason,
    Kind,
    Prompted,
    ProviderEvent,
    ReasoningDelta,
    ReasoningSignature,
    RedactedReasoning,
    TextDelta,
    Usage,
)
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import Reasoning
from app.domain.text import decode, encode, pieces
from app.generation.log import EventLog
from app.generation.publishing import Publication

# An enum's member takes as long to look up as an event to log.
_TEXT, _REASONING = Kind.TEXT, Kind.REASONING
# An event becomes one block of a stream, and one send holds whole blocks of 4 KiB at most.
PIECE_BYTES = 3800
# What an event takes in memory beside its text: without it, an answer in single letters could grow without bound.
_EVENT_BYTES = 100


class Recorder:
    """The answer of one generation as it comes: across attempts the log is one, the counts are the attempt's."""

    __slots__ = (
        *("_bytes", "_log", "_max_bytes", "_publication", "_reasoned", "_thought"),
        *("finish", "prompted", "usage", "visible"),
    )

    def __init__(self, log: EventLog, publication: Publication, max_bytes: int) -> None:
        self._log = log
        self._publication = publication
        self._max_bytes = max_bytes
        self._bytes = 0
        self._reasoned: list[Reasoning] = []
        self._thought: list[bytes] = []
        self.visible = False
        """Whether a client may have seen anything: from then on nothing is tried again."""
        self.finish: Finish | None = None
        self.prompted: Prompted | None = None
        self.usage: Usage | None = None

    def begin_attempt(self) -> None:
        self.finish = None
        self.prompted = None
        self.usage = None
        self._reasoned.clear()
        self._thought.clear()

    @property
    def reasoning(self) -> list[Reasoning]:
        """What the model thought, in the blocks that its vendor made of it."""
        rest = [Reasoning(decode(self._thought))] if self._thought else []
        return [*self._reasoned, *rest]

    def record(self, batch: Sequence[ProviderEvent]) -> None:
        """Log one batch, and tell who publishes it. Raises GenerationFailure when the answer grows out of bounds."""
        for event in batch:
            if isinstance(event, TextDelta):  # first, for nearly all are; a pattern takes seven times as long
                self._append(_TEXT, event.raw)
            elif isinstance(event, ReasoningDelta):
                self._append(_REASONING, event.raw)
                self._thought.append(event.raw)
            else:
                self._take(event)
        self._publication.wrote(self._bytes)

    def _take(self, event: ProviderEvent) -> None:
        """One of the rarer events."""
        match event:
            case ReasoningSignature(signature):
                self._count(len(signature))
                self._reasoned.append(Reasoning(decode(self._thought), signature=signature))
                self._thought.clear()
            case RedactedReasoning(data):
                self._count(len(data))
                self._reasoned.append(Reasoning(redacted=data))
            case Prompted():
                self.prompted = event
            case Usage():
                self.usage = event
            case Finish():
                self.finish = event

    def note(self, kind: Kind, payload: bytes) -> None:
        """Log an event that is no part of the answer: a call that fails behind it may still be tried again."""
        self._count(len(payload))
        self._log.append(kind, payload)
        self._publication.wrote(self._bytes)

    def declined(self, failure: GenerationFailure) -> bool:
        """Whether an answer that ended with a refusal is one all the same, for whoever reads it."""
        return False

    def say(self, text: str) -> None:
        """Log an answer that no model gives, a line at a time."""
        self.record([*(TextDelta(encode(line)) for line in text.splitlines(keepends=True)), Finish(FinishReason.STOP)])

    def _append(self, kind: Kind, raw: bytes) -> None:
        size = len(raw)
        self._count(size)
        self.visible = True
        if size <= PIECE_BYTES:
            self._log.append(kind, raw)
            return
        for piece in pieces(raw, PIECE_BYTES):
            self._log.append(kind, piece)

    def _count(self, size: int) -> None:
        self._bytes += size + _EVENT_BYTES
        if self._bytes > self._max_bytes:
            raise GenerationFailure(
                FailureCode.UPSTREAM_PROTOCOL, "The answer grew beyond what this server takes.", retryable=False
            )
