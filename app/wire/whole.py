"""A whole answer, put together from its log: what a protocol spells where a client waits for all of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from app.domain import text
from app.domain.events import FinishReason, Kind, LogEvent


class Counts(msgspec.Struct, frozen=True):
    """Tokens; what a cache gave or took is within the input, what was thought within the output."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


class Ending(msgspec.Struct, frozen=True):
    """How it ended. A log of a stored answer tells only of `length`, and of `refused` where it is one that failed."""

    status: str
    finish_reason: FinishReason | None = None
    stop_sequence: str | None = None

    @property
    def is_failed(self) -> bool:
        """Whether it broke off. What a model declines is `failed` where it is stored, but at a door an answer."""
        return self.status == "failed" and self.finish_reason is not FinishReason.REFUSED

    @property
    def is_stopped(self) -> bool:
        return self.status == "stopped"

    @property
    def reason(self) -> FinishReason:
        return self.finish_reason or FinishReason.STOP

    def reason_to_openai(self, *, in_words: bool) -> FinishReason:
        """The same for clients of OpenAI's, to whom an answer that was declined `in_words` is one like any other."""
        return FinishReason.STOP if in_words and self.reason is FinishReason.REFUSED else self.reason


@dataclass(slots=True)
class Said:
    text: str


@dataclass(slots=True)
class Refused:
    """The words with which the model declined."""

    text: str


@dataclass(slots=True)
class Thought:
    """`redacted` stands for all of it where its vendor shows it only encrypted."""

    text: str
    signature: str | None = None
    redacted: str | None = None


@dataclass(slots=True)
class Called:
    """`arguments` is JSON text."""

    id: str
    name: str
    arguments: str


Block = Said | Refused | Thought | Called


@dataclass(slots=True)
class WholeAnswer:
    """`blocks` in the order in which they began."""

    blocks: list[Block] = field(default_factory=list)
    counts: Counts | None = None
    ending: Ending = field(default_factory=lambda: Ending("complete"))

    @property
    def text(self) -> str:
        return "".join(block.text for block in self.blocks if isinstance(block, Said))

    @property
    def refusal(self) -> str:
        return "".join(block.text for block in self.blocks if isinstance(block, Refused))

    @property
    def words(self) -> str:
        """All that was said, be it an answer or why there is none."""
        return "".join(block.text for block in self.blocks if isinstance(block, Said | Refused))

    @property
    def thought(self) -> str:
        return "".join(block.text for block in self.blocks if isinstance(block, Thought))

    @property
    def calls(self) -> list[Called]:
        return [block for block in self.blocks if isinstance(block, Called)]


class FailureEvent(msgspec.Struct):
    """The payload of FAILURE."""

    code: str
    detail: str
    rejected: bool = False


STOPPED = FailureEvent("stopped", "The answer was stopped before its end.")
"""What a door says of one that somebody has stopped, for its protocol has no word for that: it must not look whole."""


class ToolCallEvent(msgspec.Struct):
    """The payload of TOOL_CALL."""

    index: int
    id: str
    name: str


class ToolInputEvent(msgspec.Struct):
    """The payload of TOOL_INPUT; `text` stays a JSON string."""

    index: int
    text: msgspec.Raw


class SealEvent(msgspec.Struct):
    """The payload of SEAL."""

    signature: str | None = None
    redacted: str | None = None


_BLOCKS: Mapping[Kind, type[Said | Refused | Thought]] = {
    Kind.TEXT: Said,
    Kind.REFUSAL: Refused,
    Kind.REASONING: Thought,
}


class _Composer:
    """Puts pieces together as they come."""

    def __init__(self) -> None:
        self.answer = WholeAnswer()
        self._run: Kind | None = None
        self._raws: list[bytes] = []
        self._arguments: dict[int, tuple[Called, list[bytes]]] = {}

    def take(self, event: LogEvent) -> None:
        if event.kind is not self._run and event.kind is not Kind.USAGE:
            self.close()
            self._run = event.kind
        match event.kind:
            case Kind.TEXT | Kind.REASONING | Kind.REFUSAL:
                self._raws.append(event.payload)
            case Kind.SEAL:
                _seal(self.answer.blocks, msgspec.json.decode(event.payload, type=SealEvent))
            case Kind.TOOL_CALL:
                self._call(msgspec.json.decode(event.payload, type=ToolCallEvent))
            case Kind.TOOL_INPUT:
                piece = msgspec.json.decode(event.payload, type=ToolInputEvent)
                self._arguments[piece.index][1].append(bytes(piece.text))
            case Kind.USAGE:
                self.answer.counts = msgspec.json.decode(event.payload, type=Counts)
            case Kind.DONE:
                self.answer.ending = msgspec.json.decode(event.payload, type=Ending)

    def close(self) -> None:
        """What came in a row is one block."""
        if self._raws and self._run is not None:
            self.answer.blocks.append(_BLOCKS[self._run](text.decode(self._raws)))
            self._raws.clear()

    def finish(self) -> WholeAnswer:
        self.close()
        for called, pieces in self._arguments.values():
            called.arguments = text.decode(pieces) or "{}"
        return self.answer

    def _call(self, call: ToolCallEvent) -> None:
        called = Called(call.id, call.name, "")
        self.answer.blocks.append(called)
        self._arguments[call.index] = called, []


def put_together(events: Iterable[LogEvent]) -> WholeAnswer:
    """The answer that an ended log holds."""
    composer = _Composer()
    for event in events:
        composer.take(event)
    return composer.finish()


def _seal(blocks: list[Block], seal: SealEvent) -> None:
    if seal.redacted is not None:
        blocks.append(Thought("", redacted=seal.redacted))
        return
    last = blocks[-1] if blocks else None
    if isinstance(last, Thought) and last.signature is None and last.redacted is None:
        last.signature = seal.signature
    else:
        blocks.append(Thought("", signature=seal.signature))
