"""Whatever a page sends is answered: what cannot be taken by one sentence, which `useChat` shows to people as it is."""

import json
from typing import Any

import pytest

from tests.backend import User
from tests.chat.conftest import Service
from tests.doors.ui.page import AS_JSON, POST, Page, posted, text
from tests.upstream import Upstream

HI = text("Hello")
PICTURE = {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,iVBORw0KGgo="}
LATER = {"id": "x", "role": "assistant", "parts": []}
BAD: dict[str, tuple[int, Any]] = {
    "no JSON": (400, b"{"),
    "not UTF-8": (400, b'{"id": "\xff"}'),
    "nested too deeply": (400, b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "no object": (422, []),
    "null": (422, None),
    "nothing": (422, {}),
    "no chat": (422, {"messages": [{"role": "user", "parts": [HI]}]}),
    "a chat without a name": (422, posted("", HI)),
    "a chat with a long name": (422, posted("x" * 256, HI)),
    "NUL in a chat's name": (422, posted("a\0b", HI)),
    "half a pair in a chat's name": (422, posted("a\ud83d", HI)),
    "a number for a chat": (422, {**posted("", HI), "id": 1}),
    "no messages": (422, {"id": "c", "messages": []}),
    "messages that are none": (422, {"id": "c", "messages": "Hello"}),
    "a message that is none": (422, {"id": "c", "messages": ["Hello"]}),
    "a message of nobody": (422, {"id": "c", "messages": [{"parts": [HI]}]}),
    "too many messages": (422, {"id": "c", "messages": [{"role": "user"}] * 10_001}),
    "an answer last": (422, {"id": "c", "messages": [{"role": "user", "parts": [HI]}, LATER]}),
    "no parts": (422, posted("c")),
    "parts that are none": (422, {"id": "c", "messages": [{"role": "user", "parts": {"type": "text"}}]}),
    "no text": (422, posted("c", text(""))),
    "only space": (422, posted("c", text(" \n\u3000"))),
    "a text that is none": (422, posted("c", {"type": "text", "text": 1})),
    "NUL in the text": (422, posted("c", text("a\0b"))),
    "half a pair in the text": (422, posted("c", text("a\udc00b"))),
    "too long a text": (422, posted("c", text("字" * 200_001))),
    "a trigger that is none": (422, posted("c", HI, trigger="resume-stream")),
    "NUL in the message's name": (422, posted("c", HI, messageId="\0")),
    "half a pair in the message's name": (422, posted("c", HI, messageId="\ud800")),
    "an unknown model": (422, posted("c", HI, model="nobody/nothing")),
    "NUL in the model": (422, posted("c", HI, model="\0")),
    "half a pair in the model": (422, posted("c", HI, model="\ud800")),
    "a model that is none": (422, posted("c", HI, model={"id": "gpt-5"})),
    "NUL in the prompt": (422, posted("c", HI, system_prompt="\0")),
    "too long a prompt": (422, posted("c", HI, system_prompt="a" * 200_001)),
    "no tokens": (422, posted("c", HI, max_tokens=0)),
    "tokens that are true": (422, posted("c", HI, max_tokens=True)),
    "too hot": (422, posted("c", HI, temperature=3)),
    "an unknown effort": (422, posted("c", HI, reasoning_effort="all")),
    "half a pair in the collection": (422, posted("c", HI, collection="\ud800")),
    "an unknown collection": (404, posted("c", HI, collection="nowhere")),
    "a file's id that is none": (422, posted("c", HI, file_ids=["x"])),
    "an unknown file": (404, posted("c", HI, file_ids=["0198a5c0-0000-7000-8000-000000000000"])),
    "an unknown file by its address": (
        404,
        posted("c", HI, {"type": "file", "url": "/files/0198a5c0-0000-7000-8000-000000000000"}),
    ),
    "a file elsewhere": (422, posted("c", HI, {**PICTURE, "url": "https://example.com/a.png"})),
    "a file without an address": (422, posted("c", HI, {"type": "file", "mediaType": "image/png"})),
    "a file that is not base64": (422, posted("c", HI, {**PICTURE, "url": "data:image/png;base64,a*b="})),
    "a file that is cut": (422, posted("c", HI, {**PICTURE, "url": "data:image/png;base64,abc"})),
    "a file without a base": (422, posted("c", HI, {**PICTURE, "url": "data:text/plain,Hello"})),
    "an empty file": (422, posted("c", HI, {**PICTURE, "url": "data:image/png;base64,"})),
    "half a pair in a file's content": (422, posted("c", HI, {**PICTURE, "url": "data:image/png;base64,\ud800AAA"})),
    "NUL in a file's name": (422, posted("c", HI, {**PICTURE, "filename": "\0"})),
    "too many files": (422, posted("c", HI, *[PICTURE] * 21)),
    "nothing to answer again": (404, {"id": "c", "messages": [], "trigger": "regenerate-message"}),
}


@pytest.fixture(scope="module")
async def anna(service: Service) -> User:
    return await service.backend.user("anna")


@pytest.mark.parametrize("what", BAD)
async def test_what_cannot_be_taken_is_refused_by_a_sentence_and_changes_nothing(
    what: str, anna: User, upstream: Upstream
) -> None:
    status, body = BAD[what]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    answer = await anna.http.post(POST, content=content, headers=AS_JSON)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert 5 < len(answer.text) < 200
    assert "{" not in answer.text
    assert upstream.calls == []
    assert (await anna.http.get("/conversations")).json()["items"] == []


async def test_whatever_else_stands_in_it_is_passed_over(page: Page) -> None:
    odd: list[Any] = [
        None,
        1,
        "x",
        [],
        {},
        {"type": None},
        {"type": "text"},
        {"type": "tool-x", "input": {"\ud800": "\0"}},
    ]
    page.messages = [
        {"id": "\ud800", "role": "system", "parts": odd, "metadata": {"\0": "\ud800"}},
        {"id": "\0", "role": "assistant", "parts": [text("\0\ud800")]},
        {"role": "小说家", "parts": None, "content": "\ud800"},
    ]
    page.messages.append({"id": "é" * 1000, "role": "user", "parts": [*odd[:-2], text("你好"), odd[-1], text("😀")]})

    answer = await page.send(trigger=None, messageId=None, model="", unknown={"\ud800": ["\0"]}, message="Hello")

    assert answer.status_code == 200, answer.text
    assert (await page.stored())[0]["content"] == "你好\n\n😀"
