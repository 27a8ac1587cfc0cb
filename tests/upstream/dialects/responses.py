"""OpenAI's Responses API: every answer is made of items, and its last event tells it whole."""

from functools import lru_cache
from typing import Any, Literal

from tests.upstream import sse
from tests.upstream.dialects import Body, Flood, Script
from tests.upstream.dialects.openai import CREATED, ERRORS, OpenAI
from tests.upstream.dialects.response_items import Sheet, encoded
from tests.upstream.scenarios import Answer, Chunk, Frame, InBandError, Usage, Wire

# The scenarios use the words of chat completions; any other is a reason of its own.
INCOMPLETE = {"length": "max_output_tokens"}
COMPLETE = ("stop", "tool_calls")


class Responses(OpenAI):
    """The list of models, the headers and the refusals are the same."""

    def wants(self, method: str, path: str) -> Literal["answer", "models"] | None:
        return "answer" if (method, path.removeprefix("/v1")) == ("POST", "/responses") else None

    def question(self, body: Body) -> str:
        given = body.get("input", ())
        if isinstance(given, str):
            return given
        content = next((item["content"] for item in reversed(given) if item.get("role") == "user"), "")
        if isinstance(content, str):
            return content
        return "".join(part["text"] for part in content if part["type"] == "input_text")

    def script(self, answer: Answer, body: Body, number: int) -> Script:
        head = _head(body, number)
        if not self.streams(body):
            return _whole(answer, head)
        options = body.get("stream_options") or {}
        return _stream(answer, head, obfuscated=options.get("include_obfuscation", True))

    def error_event(self, error: InBandError, answer: Answer) -> bytes:
        usual, _, param, code = ERRORS[error.reason]
        fields = {"type": "error", "code": code or "server_error", "message": error.message or usual, "param": param}
        return sse.block(encoded(fields | {"sequence_number": 1000}), answer.wire, b"error")


def _head(body: Body, number: int) -> dict[str, Any]:
    """What an answer says of its request."""
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": CREATED,
        "model": body.get("model", ""),
        "instructions": body.get("instructions"),
        "tools": body.get("tools", []),
        "tool_choice": body.get("tool_choice", "auto"),
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "metadata": {},
    }


@lru_cache(maxsize=64)
def _told(chunks: tuple[Chunk, ...], wire: Wire, *, obfuscated: bool) -> tuple[tuple[bytes | Flood, ...], bytes, Sheet]:
    """One frame for each chunk, the ends of the items, and the sheet on which they stand."""
    sheet = Sheet(wire, obfuscated=obfuscated)
    frames = tuple(map(sheet.add, chunks))
    return frames, sheet.close(), sheet


def _stream(answer: Answer, head: dict[str, Any], *, obfuscated: bool) -> Script:
    wire = answer.wire
    frames, ends, sheet = _told(answer.chunks, wire, obfuscated=obfuscated)
    begun = encoded({**head, "status": "in_progress", "error": None, "incomplete_details": None, "output": []})
    opening = [
        _event(name, number, begun, wire) for number, name in enumerate((b"response.created", b"response.in_progress"))
    ]
    closing = [ends] if ends else []
    if answer.finish is not None:
        status, name = _ending(answer.finish)
        whole = _response(answer, head, status, sheet)
        closing.append(_event(name, sheet.number, whole, wire))
    return Script(
        content_type="text/event-stream; charset=utf-8",
        opening=(sse.BOM if wire.bom else b"") + b"".join(opening),
        chunks=frames,
        closing=tuple(closing),
    )


def _event(name: bytes, number: int, response: bytes, wire: Wire) -> bytes:
    data = b'{"type":"%b","sequence_number":%d,"response":%b}' % (name, number, response)
    return sse.block(data, wire, name)


def _ending(finish: str) -> tuple[dict[str, Any], bytes]:
    if finish in COMPLETE:
        return {"status": "completed", "incomplete_details": None}, b"response.completed"
    details = {"reason": INCOMPLETE.get(finish, finish)}
    return {"status": "incomplete", "incomplete_details": details}, b"response.incomplete"


def _response(answer: Answer, head: dict[str, Any], status: dict[str, Any], sheet: Sheet) -> bytes:
    usage = None if answer.usage is None else _usage(Usage(*answer.usage))
    fields = encoded({**head, **status, "error": None, "usage": usage})
    return fields[:-1] + b',"output":[' + b",".join(map(bytes, sheet.entries)) + b"]}"


def _whole(answer: Answer, head: dict[str, Any]) -> Script:
    """One JSON text; nothing of it is sent before all chunks were due."""
    _, _, sheet = _told(answer.chunks, answer.wire, obfuscated=False)
    status, _ = _ending(answer.finish or "stop")
    return Script(
        content_type="application/json",
        opening=b"",
        chunks=tuple(chunk.data if isinstance(chunk, Frame) else b"" for chunk in answer.chunks),
        closing=(_response(answer, head, status, sheet),),
    )


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.completion,
    }
