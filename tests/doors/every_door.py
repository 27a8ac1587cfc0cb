"""The same asked at each door, and what an answer there says of its own end."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest

from tests.backend import User

HELLO: Any = [{"role": "user", "content": "Hello"}]
DOORS: Mapping[str, Mapping[str, Any]] = {
    "/v1/chat/completions": {"messages": HELLO},
    "/v1/responses": {"input": "Hello", "store": False},
    "/v1/messages": {"messages": HELLO, "max_tokens": 99},
    "/ollama/api/chat": {"messages": HELLO},
    "/ollama/api/generate": {"prompt": "Hello"},
}
"""Those whose answers are of no conversation."""
_WHOLE = ('"finish_reason":"', "[DONE]", '"message_stop"', '"response.completed"', '"done":true', '"done": true')
"""By these their clients know that a stream has come to its end."""

every_door = pytest.mark.parametrize("path", DOORS)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


def body(path: str, *, stream: bool, model: str = "openai/gpt", **more: Any) -> dict[str, Any]:
    return {"model": model, "stream": stream, **DOORS[path], **more}


async def asked(user: User, path: str, *, stream: bool, headers: Any = None, **more: Any) -> httpx.Response:
    return await user.http.post(path, json=body(path, stream=stream, **more), headers=headers)


def looks_whole(answer: httpx.Response) -> bool:
    """Whether a client takes it for an answer that has come to its end."""
    if not _streams(answer):
        return answer.status_code == 200
    return any(mark in answer.text for mark in _WHOLE)


def tells_an_error(answer: httpx.Response) -> bool:
    """Whether a client is told, in its protocol's words, that it has failed."""
    if not _streams(answer):
        return answer.status_code >= 400 and "error" in answer.json()
    return any(each.get("error") or _response_of(each).get("error") for each in _events(answer))


def _streams(answer: httpx.Response) -> bool:
    return answer.headers["content-type"].startswith(("text/event-stream", "application/x-ndjson"))


def _response_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of OpenAI's responses; elsewhere the name stands for a text."""
    response = event.get("response")
    return response if isinstance(response, dict) else {}


def _events(answer: httpx.Response) -> Sequence[dict[str, Any]]:
    lines = (line.removeprefix("data: ") for line in answer.text.split("\n"))
    return [json.loads(line) for line in lines if line.startswith("{")]
