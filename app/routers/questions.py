"""Questions to documents, answered with their sources."""

from fastapi import APIRouter, Request, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.routers.idempotency import IdempotencyHeader, idempotency_key
from app.routers.streaming import BUSY_OR_REPEATED, EVENT_STREAM, event_stream
from app.schemas.grounded import QueryBody
from app.services.limits import Limited
from app.wire import chat

router = APIRouter(prefix="/rag", tags=["documents"], route_class=admitted(Scope.RAG, costs=True, limited=Limited.AI))


@router.post(
    "/query",
    summary="Ask documents, and read as the model answers",
    responses={**EVENT_STREAM, **BUSY_OR_REPEATED},
    response_class=Response,
)
async def query(
    request: Request, body: QueryBody, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> Response:
    """Answer a question from documents: first what was found, then the answer, whose marks `[1]` name a source each.

    It is a generation as in chat, in a conversation: follow-up questions name its `conversation_id`. The block with
    `sources` has no event line here, and is the first that begins with `data:`.
    """
    started = await house.chat.post(user, body.turn(), idempotency_key(request, key, body))
    return event_stream(house, started.generation, started.log, encode=chat.encode_for_askers)
