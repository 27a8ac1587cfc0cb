"""Anthropic's events in bytes, as a test has its vendor send them."""

import json
from typing import Any

from app.domain.events import Finish, FinishReason, Usage


def event(kind: str, **fields: Any) -> bytes:
    """One event as Anthropic sends it, JSON in ASCII."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def begin(index: int = 0, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block={"type": "text", "text": ""} | block)


def delta(kind: str, **fields: Any) -> bytes:
    return event("content_block_delta", index=0, delta={"type": kind, **fields})


def text(words: str) -> bytes:
    return delta("text_delta", text=words)


def thought(words: str) -> bytes:
    return delta("thinking_delta", thinking=words)


def end(reason: str | None = "end_turn", **usage: Any) -> bytes:
    stop = {"stop_reason": reason, "stop_sequence": None}
    return event("message_delta", delta=stop, usage=usage or {"output_tokens": 3})


PROMPT = {"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
START = event("message_start", message={"id": "m1", "content": [], "stop_reason": None, "usage": PROMPT})
PING = event("ping")
CLOSE = event("content_block_stop", index=0)
STOP = event("message_stop")
END = CLOSE + end() + STOP
DONE = [Finish(FinishReason.STOP), Usage(7, 3)]
