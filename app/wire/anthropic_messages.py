"""Anthropic's Messages API, streamed and whole."""

from typing import Any

import msgspec

from app.core.serving import request_id
from app.domain.events import FinishReason, Kind, LogEvent
from app.wire.anthropic_blocks import Blocks, event
from app.wire.dialects import EventStream
from app.wire.refusals import anthropic_error
from app.wire.whole import STOPPED, Block, Called, Counts, Ending, FailureEvent, Refused, Said, Thought, WholeAnswer

_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.REFUSED: "refusal",
}
_PING = event("ping", {})


class MessageStream(EventStream):
    """One reading. The message begins with the first thing that is said, or in silence: what its prompt took may be
    known by then."""

    def __init__(self, identity: str, model: str) -> None:
        self._identity = identity
        self._model = model
        self._request_id = request_id()  # who writes the log may do it for another request
        self._blocks = Blocks()
        self._begun = False
        self._counts = Counts()
        self._failure = STOPPED

    def encode(self, event: LogEvent) -> bytes:
        if event.kind is self._blocks.saying:
            return self._blocks.piece(event.payload)
        match event.kind:
            case Kind.TEXT | Kind.REFUSAL | Kind.REASONING | Kind.SEAL | Kind.TOOL_CALL | Kind.TOOL_INPUT:
                piece = self._blocks.encode(event)
                return piece if self._begun else self._begin() + piece
            case Kind.USAGE:
                self._counts = msgspec.json.decode(event.payload, type=Counts)
                return b""
            case Kind.FAILURE:
                self._failure = msgspec.json.decode(event.payload, type=FailureEvent)
                return b""
            case Kind.DONE:
                return self._end(msgspec.json.decode(event.payload, type=Ending))
            case _:
                return b""

    def ping(self) -> bytes:
        """Nothing may come before the message begins, which silence puts off no longer."""
        return _PING if self._begun else self._begin() + _PING

    def _begin(self) -> bytes:
        self._begun = True
        message = _message(self._identity, self._model, [], {"stop_reason": None, "stop_sequence": None}, self._counts)
        return event("message_start", {"message": message})

    def _fail(self, why: FailureEvent) -> bytes:
        error = anthropic_error(why.code, why.detail, rejected=why.rejected)
        return event("error", error | {"request_id": self._request_id})

    def _end(self, ending: Ending) -> bytes:
        if ending.is_failed or ending.is_stopped:
            return self._fail(self._failure)  # it has no end: a cut answer would look like a whole one
        begun = b"" if self._begun else self._begin()
        delta = {"delta": _stopped(ending), "usage": usage(self._counts)}
        return begun + self._blocks.close() + event("message_delta", delta) + event("message_stop", {})


def message(answer: WholeAnswer, identity: str, model: str) -> bytes:
    """The body of an answer that was waited for."""
    content = [_block(each) for each in answer.blocks]
    stopped, counts = _stopped(answer.ending), answer.counts or Counts()
    return msgspec.json.encode(_message(identity, model, content, stopped, counts))


def usage(counts: Counts) -> dict[str, Any]:
    """Tokens in Anthropic's words: what a cache gave or took is not within its `input_tokens`."""
    return {
        "input_tokens": max(0, counts.input_tokens - counts.cached_input_tokens - counts.cache_write_tokens),
        "cache_creation_input_tokens": counts.cache_write_tokens,
        "cache_read_input_tokens": counts.cached_input_tokens,
        "output_tokens": counts.output_tokens,
        "output_tokens_details": {"thinking_tokens": counts.reasoning_tokens},
    }


def _message(
    identity: str, model: str, content: list[dict[str, Any]], stopped: dict[str, Any], counts: Counts
) -> dict[str, Any]:
    return {
        "id": identity,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        **stopped,
        "usage": usage(counts),
    }


def _stopped(ending: Ending) -> dict[str, Any]:
    """Why it ended."""
    if ending.stop_sequence is not None:
        return {"stop_reason": "stop_sequence", "stop_sequence": ending.stop_sequence}
    stopped: dict[str, Any] = {"stop_reason": _REASONS[ending.reason], "stop_sequence": None}
    if ending.reason is FinishReason.REFUSED:
        stopped["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    return stopped


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Said(said) | Refused(said):
            return {"type": "text", "text": said, "citations": None}
        case Thought(redacted=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case Thought(thought, signature):
            return {"type": "thinking", "thinking": thought, "signature": signature or ""}
        case Called(call_id, name, arguments):
            return {"type": "tool_use", "id": call_id, "name": name, "input": _input(arguments)}


def _input(arguments: str) -> msgspec.Raw | dict[str, str]:
    """As the model wrote them; what is no JSON object stands in one, as Anthropic has its clients send that back."""
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return {"INVALID_JSON": arguments}
    return msgspec.Raw(arguments.encode())
