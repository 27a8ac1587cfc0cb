"""Ollama's chat: an answer is lines of JSON, one a chunk, and the last says that it is done.

So is what it generates, and how far it is with fetching or making a model, of which each chunk is a status.
Files whose digest begins with `sha256:e` are there; any it takes, if that is really its digest.

What `/api/show` tells of a model is in its name:

    reasoning, gpt-oss      can think; the latter by levels only, which it says itself
    vision                  sees images
    embed                   cannot chat
    ctx-4096                so long a context; 32768 otherwise
    old                     a server from before capabilities: says nothing of them
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from tests.upstream.dialects import Body, Flood, Script
from tests.upstream.scenarios import (
    Answer,
    Chunk,
    Filler,
    Frame,
    InBandError,
    Page,
    Reason,
    Reasoning,
    Refusal,
    Refuse,
    ToolArguments,
    ToolCall,
    Usage,
)

CREATED = "2026-01-01T00:00:00.000000001Z"
CONTEXT = re.compile(r"ctx-(\d+)")
JSON = "application/json; charset=utf-8"
BLOBS = "/api/blobs/"
BOM = b"\xef\xbb\xbf"
# The scenarios use OpenAI's words; any other stands for itself.
DONE_REASONS = {"tool_calls": "stop"}
FILTERED = "the answer was withheld by a filter"
REASONS: dict[int, Reason] = {
    400: "bad_request",
    401: "bad_key",
    403: "forbidden",
    404: "model_not_found",
    429: "rate_limited",
    503: "overloaded",
}
ERRORS: dict[Reason, str] = {
    "bad_key": "unauthorized",
    "forbidden": "remote model is unavailable",
    "model_not_found": "model 'loopback' not found",
    "context_length": "the input length exceeds the context length",
    "bad_request": "invalid character 'x' looking for beginning of value",
    "rate_limited": "too many concurrent requests",
    "quota": "you have reached your weekly usage limit",
    "server_error": "llama runner process has terminated: exit status 2",
    "overloaded": "server busy, please try again.  maximum pending requests exceeded",
}


class Ollama:
    def wants(self, method: str, path: str) -> Literal["answer", "models", "about"] | None:
        match method, path:
            case "POST", "/api/chat" | "/api/generate" | "/api/pull" | "/api/push" | "/api/create":
                return "answer"
            case "GET", "/api/tags":
                return "models"
            case ("POST", "/api/show" | "/api/copy") | ("GET", "/api/version") | ("DELETE", "/api/delete"):
                return "about"
            case "HEAD" | "POST", blob if blob.startswith(BLOBS):
                return "about"
        return None

    def streams(self, body: Body) -> bool:
        return body.get("stream") is not False

    def question(self, body: Body) -> str:
        asked = (m["content"] for m in reversed(body.get("messages", ())) if m["role"] == "user")
        return next(asked, str(body.get("prompt", "")))

    def headers(self, number: int) -> Mapping[str, str]:
        return {}

    def script(self, answer: Answer, body: Body, number: int) -> Script:
        if "messages" not in body:
            return _generated(answer, body) if "prompt" in body else _progress(answer)
        head = _json({"model": body.get("model", ""), "created_at": CREATED})[:-1] + b',"message":{"role":"assistant"'
        return _stream(answer, head) if self.streams(body) else _whole(answer, head)

    def error(self, refuse: Refuse) -> bytes:
        return _error(refuse.reason or REASONS.get(refuse.status, "server_error"), refuse.message)

    def error_event(self, error: InBandError, answer: Answer) -> bytes:
        return _error(error.reason, error.message) + answer.wire.newline

    def models(self, names: Sequence[str]) -> bytes:
        return _json({"models": [_listed(name) for name in names]})

    def about(self, path: str, body: Body, names: Sequence[str]) -> Page | Refuse:
        """The server's version, what it says of one model, or what it has done."""
        if path.startswith(BLOBS):
            return _blob(path.removeprefix(BLOBS), body)
        if path in ("/api/copy", "/api/delete"):
            model = str(body.get("source", body.get("model", "")))
            known = _tagged(model) in map(_tagged, names)
            return Page(b"", content_type="") if known else Refuse(404, message=f"model '{model}' not found")
        if path == "/api/version":
            return Page(_json({"version": "0.40.12"}), content_type=JSON)
        model = str(body.get("model", ""))
        if _tagged(model) not in map(_tagged, names):
            return Refuse(404, message=f"model '{model}' not found")
        return Page(_json(_shown(model)), content_type=JSON)


def _stream(answer: Answer, head: bytes) -> Script:
    newline = answer.wire.newline
    unfinished = b'},"done":false}' + newline

    def frame(said: bytes | Flood | Frame | None) -> bytes | Flood:
        match said:
            case None:
                return b""
            case Frame():
                return said.data
            case Flood():
                return Flood(head + said.before, said.size, said.after + unfinished)
            case bytes():
                return head + said + unfinished

    return Script(
        content_type="application/x-ndjson",
        opening=BOM if answer.wire.bom else b"",
        chunks=tuple(frame(said) for said in _said(answer.chunks)),
        # The last line is Ollama's last event; without it `done` still costs the stream its last line end.
        closing=tuple(line + (newline if answer.done else b"") for line in _last(answer, head + b',"content":""')),
    )


def _generated(answer: Answer, body: Body) -> Script:
    head = _json({"model": body.get("model", ""), "created_at": CREATED})[:-1]
    newline = answer.wire.newline
    said = [_inside(chunk) if not isinstance(chunk, Frame) else chunk.data for chunk in answer.chunks]
    if body.get("stream") is False:
        rest = b'","done":%b}' % (b"false" if answer.finish is None else b"true" + _ending(answer))
        return Script(JSON, head + b',"response":"', tuple(said), (rest,))
    lines = (
        text
        if isinstance(chunk, Frame) or isinstance(text, Flood)
        else head + b',"response":"%b","done":false}' % text + newline
        for chunk, text in zip(answer.chunks, said, strict=True)
    )
    done = head + b',"response":"","done":true' + _ending(answer) + b',"context":[1,2]}'
    closing = (done + newline,) if answer.finish is not None else ()
    return Script("application/x-ndjson", b"", tuple(lines), closing)


def _progress(answer: Answer) -> Script:
    said = (c.data if isinstance(c, Frame) else _json({"status": c}) + b"\n" for c in answer.chunks)
    closing = (_json({"status": "success"}) + b"\n",) if answer.finish is not None else ()
    return Script("application/x-ndjson", b"", tuple(said), closing)


def _blob(digest: str, body: Body) -> Page | Refuse:
    if not body:
        return Page(b"", content_type="") if digest.startswith("sha256:e") else Refuse(404)
    right = digest == f"sha256:{body['sha256']}"
    return Page(b"", 201, content_type="") if right else Refuse(400, message="digest mismatch in /var/lib/ollama")


def _last(answer: Answer, message: bytes) -> list[bytes]:
    if answer.finish is None:
        return []
    if answer.finish == "content_filter":
        return [_json({"error": FILTERED})]
    return [message + b'},"done":true' + _ending(answer) + b"}"]


def _whole(answer: Answer, head: bytes) -> Script:
    """One JSON text, cut at the same places as the stream, so that a fault after k chunks means the same."""
    if answer.finish == "content_filter":
        return Script(JSON, b"", (b"",) * len(answer.chunks), (_json({"error": FILTERED}),))
    thought = b"".join(_escaped(c.text) for c in answer.chunks if isinstance(c, Reasoning))
    calls = [_called(c, answer.chunks) for c in answer.chunks if isinstance(c, ToolCall)]
    rest = [
        b'"',
        b',"thinking":"' + thought + b'"' if thought else b"",
        b',"tool_calls":[' + b",".join(calls) + b"]" if calls else b"",
        b'},"done":%b' % (b"false" if answer.finish is None else b"true" + _ending(answer)),
        b"}",
    ]
    return Script(
        content_type=JSON,
        opening=head + b',"content":"',
        chunks=tuple(_inside(chunk) for chunk in answer.chunks),
        closing=(b"".join(rest),),
    )


def _inside(chunk: Chunk) -> bytes | Flood:
    """The part of `content` that a chunk makes up."""
    match chunk:
        case str() | bytes():
            return _escaped(chunk)
        case Refusal():
            return _escaped(chunk.text)
        case Frame():
            return chunk.data
        case Filler():
            return Flood(b"", chunk.size, b"")
        case _:
            return b""


@lru_cache(maxsize=64)
def _said(chunks: tuple[Chunk, ...]) -> tuple[bytes | Flood | Frame | None, ...]:
    """What each chunk adds to its message; a tool call goes out whole, and its later pieces are nothing."""
    return tuple(_says(chunk, chunks) for chunk in chunks)


def _says(chunk: Chunk, chunks: tuple[Chunk, ...]) -> bytes | Flood | Frame | None:
    match chunk:
        case str() | bytes():
            return b',"content":"' + _escaped(chunk) + b'"'
        case Refusal():  # there is no such thing here: the model just says it
            return b',"content":"' + _escaped(chunk.text) + b'"'
        case Reasoning():
            return b',"content":"","thinking":"' + _escaped(chunk.text) + b'"'
        case ToolCall():
            return b',"content":"","tool_calls":[' + _called(chunk, chunks) + b"]"
        case ToolArguments():
            return None
        case Filler():
            return Flood(b',"content":"', chunk.size, b'"')
        case Frame():
            return chunk


def _called(call: ToolCall, chunks: tuple[Chunk, ...]) -> bytes:
    more = (c.text for c in chunks if isinstance(c, ToolArguments) and c.index == call.index)
    # The arguments are an object here, not a text that holds one.
    arguments = "".join(json.loads(b'"' + _escaped(piece) + b'"') for piece in (call.arguments, *more)) or "{}"
    function = b'{"index":%d,"name":%b,"arguments":%b}' % (call.index, _json(call.name), arguments.encode())
    # Servers of old give no ids; a call that has none is one of theirs.
    return (b'{"id":' + _json(call.id) + b"," if call.id else b"{") + b'"function":' + function + b"}"


def _ending(answer: Answer) -> bytes:
    word = DONE_REASONS.get(answer.finish or "", answer.finish)
    fields: dict[str, Any] = {"done_reason": word, "total_duration": 4_000_000, "load_duration": 1_000_000}
    if answer.usage is not None:
        usage = Usage(*answer.usage)
        fields |= {"prompt_eval_count": usage.prompt, "prompt_eval_cached_count": usage.cached}
        fields |= {"prompt_eval_duration": 1_000_000, "eval_count": usage.completion, "eval_duration": 2_000_000}
    return b"," + _json(fields)[1:-1]


def _tagged(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _listed(name: str) -> dict[str, Any]:
    return {
        "name": _tagged(name),
        "model": _tagged(name),
        "modified_at": CREATED,
        "size": 1,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "details": _details(name),
    }


def _details(name: str) -> dict[str, Any]:
    family = "nomic-bert" if "embed" in name else "llama"
    return {
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family],
        "parameter_size": "3.2B",
        "quantization_level": "Q4_K_M",
    }


def _shown(name: str) -> dict[str, Any]:
    length = int(found[1]) if (found := CONTEXT.search(name)) else 32_768
    details = _details(name)
    family = details["family"]
    info = {"general.architecture": family, f"{family}.context_length": length, "tokenizer.ggml.tokens": None}
    shown: dict[str, Any] = {"modelfile": "", "template": "", "details": details, "model_info": info}
    if "old" in name:
        return shown
    thinks = "reasoning" in name or "gpt-oss" in name
    able = ["embedding"] if "embed" in name else ["completion", "tools"]
    shown["capabilities"] = able + ["vision"] * ("vision" in name) + ["thinking"] * thinks
    if "gpt-oss" in name:
        shown["thinking"] = {"values": ["low", "medium", "high"], "default": "medium"}
    return shown


def _error(reason: Reason, message: str | None) -> bytes:
    return _json({"error": message or ERRORS[reason]})


def _escaped(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else _json(text)[1:-1]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
