"""The AI SDK's door: `useChat` with its own transport, and its way back to an answer that is being written."""

import hashlib
from dataclasses import replace

from fastapi import APIRouter, Request, Response

from app.bootstrap import House
from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.chat import Generation
from app.domain.identity import Scope
from app.domain.ui_chats import PageTurn
from app.generation.log import EventLog
from app.routers.idempotency import IdempotencyHeader, unread_key
from app.routers.streaming import BUSY_OR_REPEATED, Responses
from app.schemas.ui import LONGEST_CHAT_ID, UiChatBody
from app.services.idempotency import IdempotencyKey
from app.services.limits import Limited
from app.wire.response import EventStreamResponse
from app.wire.ui_messages import HEADERS, UiMessageStream

router = APIRouter(prefix="/ai/ui", tags=["chat"])
asking = APIRouter(route_class=admitted(Scope.CHAT, costs=True, limited=Limited.AI))
resuming = APIRouter(route_class=admitted(Scope.CHAT, costs=True))

_ID = {"type": "string", "format": "uuid"}
_IDS = {
    "X-Conversation-ID": {"description": "The conversation that this chat is.", "schema": _ID},
    "X-Generation-ID": {"description": "The run that writes it, to stop it.", "schema": _ID},
}
_PART = {
    "type": "object",
    "title": "One part of the UI message stream",
    "required": ["data"],
    "properties": {
        "data": {
            "type": "string",
            "description": "`[DONE]` is the last; all others are an object with a `type`, on one line.",
        }
    },
}
_STREAM: Responses = {
    200: {
        "description": "The UI message stream, v1: `start`, `text-delta` and others, `finish` or `abort`, `[DONE]`.",
        "headers": _IDS,
        "content": {"text/event-stream": {"schema": _PART}},
    }
}
_NOTHING: Responses = {204: {"description": "Nothing is being written in this chat, or there is no such chat."}}


@asking.post(
    "/chat",
    summary="Ask a model from useChat",
    responses={**_STREAM, **BUSY_OR_REPEATED},
    response_class=Response,
)
async def ui_chat(
    request: Request, body: UiChatBody, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> Response:
    """Takes what the AI SDK's `DefaultChatTransport` posts, and answers with its UI message stream.

    The chat is a conversation as any other. Only the new message is taken from the page; what was said before it is
    what is stored. Leaving does not end the answer: `/ai/generations/{id}/stop` does.
    """
    asked = body.asked()
    started = await house.ui_chat.post(user, asked, _key(request, key, asked))
    return _stream(house, started.generation, started.log)


@resuming.get(
    "/chat/{chat_id:path}/stream",
    summary="Go on reading with useChat",
    responses={**_STREAM, **_NOTHING},
    response_class=Response,
)
async def ui_chat_stream(chat_id: str, user: CurrentUser, house: HouseDep) -> Response:
    """The whole message from its start, then live, as `useChat({resume: true})` asks for it when its page is loaded.

    It asks for each chat that it shows, new ones too: where nothing is being written, that is no error.
    """
    found = None
    if len(chat_id) <= LONGEST_CHAT_ID and "\x00" not in chat_id:
        found = await house.ui_chat.running(user, chat_id)
    return Response(status_code=204) if found is None else _stream(house, *found)


def _stream(house: House, generation: Generation, log: EventLog) -> EventStreamResponse:
    dialect = UiMessageStream()
    runs_here = house.engine.log(generation.id) is not None
    return EventStreamResponse(
        log,
        dialect.encode,
        after=0,
        headers={
            **HEADERS,
            "X-Conversation-ID": generation.conversation_id,
            "X-Generation-ID": generation.id,
        },
        limits=house.stream_limits,
        metrics=house.metrics,
        # The protocol has no word for it. What runs here ends here, in a moment; what runs elsewhere is to be asked for
        # there, which its client does only after a line that broke.
        farewell=None if runs_here else _cut,
        ping=dialect.ping,
    )


def _cut(_: int) -> None:
    return None


def _key(request: Request, key: str | None, asked: PageTurn) -> IdempotencyKey | None:
    """Of what is taken from the page, whatever else it shows by now."""
    named = unread_key(request, key)
    return named and replace(named, fingerprint=hashlib.sha256(repr(asked).encode()).hexdigest())


for part in (asking, resuming):
    router.include_router(part)
