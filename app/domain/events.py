"""The two unions that everything speaks: what a provider yields, and what a generation's log holds.

What there is one of for each chunk is a struct of msgspec's, which is made in a quarter of the time of a dataclass or
a named tuple (0.07 against 0.3 µs), and is nothing for the garbage collector to walk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider reports them; those that its cache gave or took, and of reasoning, are in the totals."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Prompted:
    """What the prompt takes by the vendor's own count, told before the answer; a Usage behind it counts that, too."""

    input_tokens: int
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0

    def answered(self, output_tokens: int) -> Usage:
        """With an answer of so many tokens."""
        return Usage(
            self.input_tokens,
            output_tokens,
            cached_input_tokens=self.cached_input_tokens,
            cache_write_tokens=self.cache_write_tokens,
        )


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer as an encoded JSON string (`"…"`, UTF-8), safe to splice into one line of an event stream.

    Safe means: no control characters, no `\\u` escape but of line separators, no lone surrogate, no NUL.
    `app.domain.text` makes and reads such strings.
    """

    raw: bytes


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's reasoning; encoded as in TextDelta."""

    raw: bytes


class RefusalDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the words with which the model declines to answer; encoded as in TextDelta.

    A vendor that gives such words gives no answer: its adapter tells them, and then fails with `answered`.
    """

    raw: bytes


@dataclass(frozen=True, slots=True)
class ReasoningSignature:
    """The vendor's seal on the reasoning since the last one: see `app.domain.prompts.Reasoning`."""

    signature: str


@dataclass(frozen=True, slots=True)
class RedactedReasoning:
    """Reasoning that the vendor shows only encrypted."""

    data: str


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """The model begins to call a tool; `index` counts the calls of an answer from 0, in the order of their beginnings.

    `id` and `name` hold no control characters and no lone surrogates; a vendor without ids gets some of its adapter.
    """

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the arguments' JSON text of call `index`, encoded as in TextDelta."""

    index: int
    raw: bytes


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    REFUSED = "refused"
    """The vendor declined, and ended its answer with that. No provider yields it: see `GenerationFailure.answered`."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The upstream's own marker that the answer is whole. A stream without one was cut.

    `sequence` is the stop sequence that ended it, where the vendor tells which.
    """

    reason: FinishReason
    sequence: str | None = None


ProviderEvent = (
    TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ReasoningSignature
    | RedactedReasoning
    | ToolCallStart
    | ToolCallDelta
    | Prompted
    | Usage
    | Finish
)


def only_prompted(batch: Sequence[ProviderEvent]) -> bool:
    """Whether nothing of an answer has come with this batch: it is waited for as before."""
    return len(batch) == 1 and isinstance(batch[0], Prompted)


class Kind(StrEnum):
    """What an event of a log is. Payloads of TEXT, REASONING and REFUSAL are JSON strings, of all others objects."""

    START = "start"
    SOURCES = "sources"
    REASONING = "reasoning"
    TOOL_CALL = "tool_call"
    """In a passage's log: `{"index", "id", "name"}`; its arguments follow as TOOL_INPUT, `{"index", "text"}` each."""
    TOOL_INPUT = "tool_input"
    TOOL_RESULT = "tool_result"
    SEAL = "seal"
    """In a passage's log: what seals the thoughts before it, `{"signature"}`, or stands for them, `{"redacted"}`."""
    REFUSAL = "refusal"
    """In a passage's log: a piece of the words with which the model declined."""
    TEXT = "text"
    USAGE = "usage"
    FAILURE = "failure"
    DONE = "done"
    PROGRESS = "progress"
    """Of a job, whose followers are told in the same way."""


class LogEvent(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """One numbered event of a generation: `seq` counts from 1 without gaps, `payload` is encoded JSON on one line."""

    seq: int
    kind: Kind
    payload: bytes
