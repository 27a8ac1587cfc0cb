"""Chat with a model: streamed, whole, resumed and stopped."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.core.errors import InvalidEventId
from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.cards import Input
from app.domain.identity import Scope
from app.routers.idempotency import IdempotencyHeader, idempotency_key
from app.routers.streaming import (
    ALL_READ,
    BUSY,
    BUSY_OR_REPEATED,
    EVENT_ID,
    EVENT_STREAM,
    NO_EVENT_ID,
    LastEventId,
    Responses,
    event_stream,
    parse_event_id,
)
from app.schemas.base import EntityId
from app.schemas.chat import ChatBody, ChatQuery, ModelAnswer, ModelsAnswer, ReplyAnswer, StopAnswer
from app.schemas.lists import ModelsQuery
from app.services.limits import Limited
from app.services.replies import Reply, whole_reply

router = APIRouter(prefix="/ai", tags=["chat"])
_ANSWER_FAILED: Responses = {
    422: {"description": "The request is not of the right form; or the model refuses it, or cannot hold so much."},
    500: {"description": "The answer failed for a fault of ours (`internal`)."},
    502: {"description": "The model's server failed, or its answer broke off."},
    503: {"description": "The model's server is at its limit, or a part of ours went away. `code` says which."},
    504: {"description": "The model's server did not answer in time."},
}

reading = APIRouter(route_class=admitted(Scope.CHAT))
asking = APIRouter(route_class=admitted(Scope.CHAT, costs=True, limited=Limited.AI))
event_source = APIRouter(route_class=admitted(Scope.CHAT, costs=True, tickets=True, limited=Limited.AI))
resuming = APIRouter(route_class=admitted(Scope.CHAT, costs=True, tickets=True))
stopping = APIRouter(route_class=admitted(Scope.CHAT, costs=True))


@asking.post(
    "/chat/stream",
    summary="Ask a model, and read as it writes",
    responses={**EVENT_STREAM, **BUSY_OR_REPEATED},
    response_class=Response,
)
async def chat_stream(
    request: Request, body: ChatBody, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> Response:
    """Say something and read the answer as it is written.

    Leaving does not end it: the answer is completed and stored, and `GET /ai/generations/{id}/events` goes on with it.
    """
    started = await house.chat.post(user, body.turn(), idempotency_key(request, key, body))
    return event_stream(house, started.generation, started.log)


@event_source.get(
    "/chat/stream",
    summary="Ask a model from EventSource",
    responses={**EVENT_STREAM, **ALL_READ, **BUSY, **NO_EVENT_ID},
    response_class=Response,
)
async def chat_event_source(
    query: Annotated[ChatQuery, Query()], user: CurrentUser, house: HouseDep, last_event_id: LastEventId
) -> Response:
    """The same for EventSource, which can only GET. With `Last-Event-ID` it resumes and never starts anything."""
    if last_event_id is None:
        started = await house.chat.post(user, query.turn())
        return event_stream(house, started.generation, started.log, ids=True)
    generation_id, after = last_event_id
    if generation_id is None:
        raise InvalidEventId
    return await _resume(house, user, generation_id, after)


@resuming.get(
    "/generations/{generation_id}/events",
    summary="Go on reading an answer",
    responses={**EVENT_STREAM, **ALL_READ, **NO_EVENT_ID},
    response_class=Response,
)
async def generation_events(
    generation_id: EntityId,
    user: CurrentUser,
    house: HouseDep,
    last_event_id: LastEventId,
    after: Annotated[
        str | None,
        Query(description="The number of the last event that was read; 0 for all.", json_schema_extra=EVENT_ID),
    ] = None,
) -> Response:
    """Follow an answer from where reading broke off, live or finished, from any number of clients."""
    named, seq = last_event_id or (parse_event_id(after) if after is not None else (None, 0))
    if named not in (None, generation_id):
        raise InvalidEventId
    return await _resume(house, user, generation_id, seq)


@stopping.post(
    "/generations/{generation_id}/stop",
    status_code=202,
    summary="Stop an answer",
    response_description="It is stopping, or has ended before.",
)
async def stop_generation(generation_id: EntityId, user: CurrentUser, house: HouseDep) -> StopAnswer:
    """Stop an answer, upstream too; what was written is kept. Repeating it is harmless."""
    status = await house.generations.stop(user.user.id, generation_id)
    return StopAnswer(generation_id=generation_id, status=status)


@asking.post(
    "/chat",
    response_model=ReplyAnswer,
    summary="Ask a model, and wait for the answer",
    response_description="The whole answer, or what was written until it was stopped.",
    responses={**BUSY_OR_REPEATED, **_ANSWER_FAILED},
)
async def chat(
    request: Request, body: ChatBody, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> Reply:
    """Say something and wait for the whole answer."""
    return await whole_reply(await house.chat.post(user, body.turn(), idempotency_key(request, key, body)))


@reading.get("/models", summary="List the models")
async def models(query: Annotated[ModelsQuery, Query()], user: CurrentUser, house: HouseDep) -> ModelsAnswer:
    """The models that may be named in `model`, and which one answers when none is."""
    page, default = await house.models.page(user.grants, limit=query.limit, cursor=query.cursor)
    return ModelsAnswer(
        items=[
            ModelAnswer(
                id=card.name,
                model=card.id,
                provider=card.provider,
                context_window=card.context_window,
                max_output_tokens=card.max_output_tokens,
                inputs=[each for each in Input if each in card.inputs],
                reasons=card.reasons,
                default=card == default,
            )
            for card in page.items
        ],
        next_cursor=page.next_cursor,
    )


async def _resume(house: HouseDep, user: CurrentUser, generation_id: str, after: int) -> Response:
    found = await house.generations.resume(user, generation_id, after)
    if found is None:
        return Response(status_code=204)
    generation, log, seq = found
    return event_stream(house, generation, log, after=seq, ids=True)


for part in (asking, event_source, resuming, stopping, reading):
    router.include_router(part)
