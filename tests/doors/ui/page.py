"""A page of the AI SDK: what `useChat` keeps, posts and reads."""

import json
from itertools import count
from typing import Any
from uuid import uuid4

import httpx

from tests.backend import User
from tests.follower import Follower
from tests.sse import parse

Json = dict[str, Any]
POST = "/ai/ui/chat"
AS_JSON = {"Content-Type": "application/json"}
_numbers = count(1)


def text(said: str) -> Json:
    return {"type": "text", "text": said}


def parts(body: bytes) -> list[Json]:
    """The parts of a whole stream; it ends with [DONE]."""
    events = parse(body)
    assert {event.name for event in events} == {"message"}
    assert events[-1].data == "[DONE]"
    return [event.json for event in events[:-1]]


def kinds(stream: list[Json]) -> list[str]:
    """Their types, each once where several come one after the other."""
    found = [part["type"] for part in stream]
    return [kind for at, kind in enumerate(found) if at == 0 or found[at - 1] != kind]


def said(stream: list[Json], kind: str = "text-delta") -> str:
    return "".join(part["delta"] for part in stream if part["type"] == kind)


class Page:
    """`messages` are those that it shows; answers have the id that they come with, all others one of its own."""

    def __init__(self, user: User, chat_id: str | None = None) -> None:
        self.user = user
        self.chat_id = chat_id or uuid4().hex[:16]
        self.messages: list[Json] = []
        self.response: httpx.Response | None = None

    async def say(self, said: str, **body: Any) -> list[Json]:
        """What `sendMessage` does."""
        self.messages.append(_message(text(said)))
        return await self._answered(await self.send(trigger="submit-message", **body))

    async def edit(self, at: int, said: str, *, named: str | None = None, **body: Any) -> list[Json]:
        """The same with a `messageId`: another message in place of the one at `at`; those behind it go."""
        self.messages[at:] = [{**_message(text(said)), "id": named or self.messages[at]["id"]}]
        message_id = self.messages[at]["id"]
        return await self._answered(await self.send(trigger="submit-message", messageId=message_id, **body))

    async def again(self, at: int | None = None, **body: Any) -> list[Json]:
        """What `regenerate` does: the answer at `at`, or the last, goes, and its id is sent only where it was named."""
        named = None if at is None else self.messages[at]["id"]
        cut = len(self.messages) - 1 if at is None else at
        del self.messages[cut if self.messages[cut]["role"] == "assistant" else cut + 1 :]
        return await self._answered(await self.send(trigger="regenerate-message", messageId=named, **body))

    async def send(self, **body: Any) -> httpx.Response:
        posted = {"id": self.chat_id, "messages": self.messages, **body}
        # Escaped, as JavaScript does with halves of surrogate pairs.
        self.response = await self.user.http.post(POST, content=json.dumps(posted), headers=AS_JSON)
        return self.response

    def following(self, said: str, **body: Any) -> Follower:
        """`say`, read while it is written."""
        self.messages.append(_message(text(said)))
        posted = {"id": self.chat_id, "messages": self.messages, "trigger": "submit-message", **body}
        return Follower(self.user, "POST", POST, json=posted)

    def returning(self) -> Follower:
        """What `resumeStream` does."""
        return Follower(self.user, "GET", f"{POST}/{self.chat_id}/stream")

    async def stored(self) -> list[Json]:
        assert self.response is not None
        return await self.user.messages(self.response.headers["x-conversation-id"])

    async def _answered(self, response: httpx.Response) -> list[Json]:
        assert response.status_code == 200, response.text
        stream = parts(response.content)
        answer = _message(text(said(stream)))
        self.messages.append({**answer, "id": stream[0]["messageId"], "role": "assistant"})
        return stream


def _message(*parts: Json) -> Json:
    return {"id": f"msg-{next(_numbers)}", "role": "user", "parts": list(parts)}


def posted(chat_id: str, *parts: Json, **body: Any) -> Json:
    """A first message, as it is posted."""
    return {"id": chat_id, "messages": [_message(*parts)], "trigger": "submit-message", **body}


def shown(body: bytes) -> str:
    """What a page shows of as much as has come."""
    events = [event.data for event in parse(body)]
    return said([json.loads(data) for data in events if data != "[DONE]"])
