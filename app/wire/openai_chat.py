"""OpenAI's chat completions, streamed and whole."""

from typing import Any

import msgspec

from app.domain.events import FinishReason, Kind, LogEvent
from app.wire.dialects import EventStream
from app.wire.refusals import openai_error
from app.wire.whole import STOPPED, Counts, Ending, FailureEvent, ToolCallEvent, ToolInputEvent, WholeAnswer

FINISHES = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.REFUSED: "content_filter",
}
_DONE = b"data: [DONE]\n\n"
_TEXT = Kind.TEXT
"""To look a member up in its enum costs as much as to splice its text."""


class ChatCompletionStream(EventStream):
    """One reading. Text is spliced in as it came, which is what most of an answer costs."""

    def __init__(self, identity: str, created: int, model: str, *, include_usage: bool) -> None:
        about = {"id": identity, "object": "chat.completion.chunk", "created": created, "model": model}
        self._about = b"data: " + msgspec.json.encode(about)[:-1]
        self._head = self._about + b',"choices":[{"index":0,"delta":'
        self._usage = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._usage
        self._before_text = self._head + b'{"content":'
        self._behind_text = b"}" + self._tail
        self._include_usage = include_usage
        self._counts = Counts()
        self._refused = False
        self._failure = STOPPED

    def encode(self, event: LogEvent) -> bytes:
        if event.kind is _TEXT:  # nearly always
            return self._before_text + event.payload + self._behind_text
        return self._rest(event)

    def _rest(self, event: LogEvent) -> bytes:
        match event.kind:
            case Kind.REASONING:
                return self._delta(b'{"reasoning_content":%b}' % event.payload)
            case Kind.REFUSAL:
                self._refused = True
                return self._delta(b'{"refusal":%b}' % event.payload)
            case Kind.START:
                return self._delta(b'{"role":"assistant","content":"","refusal":null}')
            case Kind.TOOL_CALL:
                return self._call(msgspec.json.decode(event.payload, type=ToolCallEvent))
            case Kind.TOOL_INPUT:
                piece = msgspec.json.decode(event.payload, type=ToolInputEvent)
                delta = b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}'
                return self._delta(delta % (piece.index, bytes(piece.text)))
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

    def _delta(self, delta: bytes) -> bytes:
        return self._head + delta + self._tail

    def _call(self, call: ToolCallEvent) -> bytes:
        function = {"name": call.name, "arguments": ""}
        told = {"index": call.index, "id": call.id, "type": "function", "function": function}
        return self._delta(msgspec.json.encode({"tool_calls": [told]}))

    def _end(self, ending: Ending) -> bytes:
        if ending.is_failed or ending.is_stopped:
            return _fail(self._failure)  # with `[DONE]` a cut answer would look like a whole one
        finish = FINISHES[ending.reason_to_openai(in_words=self._refused)].encode()
        end = self._head + b'{},"logprobs":null,"finish_reason":"%b"}]' % finish + self._usage
        if self._include_usage:
            end += self._about + b',"choices":[],"usage":%b}\n\n' % msgspec.json.encode(usage(self._counts))
        return end + _DONE


def _fail(why: FailureEvent) -> bytes:
    error = openai_error(why.code, why.detail, rejected=why.rejected)
    return b"data: %b\n\n" % msgspec.json.encode(error)


def chat_completion(answer: WholeAnswer, identity: str, created: int, model: str) -> bytes:
    """The body of an answer that was waited for."""
    said, refusal = answer.text, answer.refusal or None
    message: dict[str, Any] = {"role": "assistant", "content": said, "refusal": refusal, "annotations": []}
    if refusal:
        message["content"] = said or None
    if thought := answer.thought:
        message["reasoning_content"] = thought
    if calls := answer.calls:
        message["content"] = said or None
        message["tool_calls"] = [
            {"id": each.id, "type": "function", "function": {"name": each.name, "arguments": each.arguments}}
            for each in calls
        ]
    finish = FINISHES[answer.ending.reason_to_openai(in_words=bool(refusal))]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return msgspec.json.encode(
        {
            "id": identity,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": [choice],
            "usage": usage(answer.counts or Counts()),
        }
    )


def usage(counts: Counts) -> dict[str, Any]:
    """Tokens in the words of chat completions."""
    return {
        "prompt_tokens": counts.input_tokens,
        "completion_tokens": counts.output_tokens,
        "total_tokens": counts.input_tokens + counts.output_tokens,
        "prompt_tokens_details": {"cached_tokens": counts.cached_input_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
