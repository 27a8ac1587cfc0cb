"""Other branches of a conversation: a question edited, an answer regenerated."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.routers.idempotency import IdempotencyHeader, idempotency_key
from app.routers.streaming import BUSY_OR_REPEATED, EVENT_STREAM, event_stream
from app.schemas.base import EntityId
from app.schemas.chat import EditBody, RegenerateBody
from app.services.limits import Limited

router = APIRouter(
    prefix="/conversations/{conversation_id}/messages/{message_id}",
    tags=["conversations"],
    route_class=admitted(Scope.CHAT, costs=True, limited=Limited.AI),
)


@router.post(
    "/regenerate",
    summary="Have a question answered once more",
    responses={**EVENT_STREAM, **BUSY_OR_REPEATED},
    response_class=Response,
)
async def regenerate(
    request: Request,
    conversation_id: EntityId,
    message_id: EntityId,
    user: CurrentUser,
    house: HouseDep,
    body: Annotated[RegenerateBody | None, Body()] = None,
    key: IdempotencyHeader = None,
) -> Response:
    """Another answer beside the one that is named, or one more to the question that is. The first stays."""
    wish = body or RegenerateBody()
    turn = wish.turn(conversation_id, message_id)
    started = await house.chat.post(user, turn, idempotency_key(request, key, wish))
    return event_stream(house, started.generation, started.log)


@router.post(
    "/edit",
    summary="Say something else instead",
    responses={**EVENT_STREAM, **BUSY_OR_REPEATED},
    response_class=Response,
)
async def edit(
    request: Request,
    conversation_id: EntityId,
    message_id: EntityId,
    body: EditBody,
    user: CurrentUser,
    house: HouseDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Another question beside the one that is named, and its answer: a new branch. The old one stays."""
    started = await house.chat.post(user, body.turn(conversation_id, message_id), idempotency_key(request, key, body))
    return event_stream(house, started.generation, started.log)
