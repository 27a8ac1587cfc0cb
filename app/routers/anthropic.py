"""Anthropic's Messages API."""

from fastapi import APIRouter, Request, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.routers.idempotency import IdempotencyHeader, door_key
from app.routers.passages import ConversationHeader, begun, described, streamed, unless_left, whole
from app.schemas.anthropic_messages import MessagesBody, PromptBody, TokenCount
from app.services.limits import Limited
from app.wire.anthropic_messages import MessageStream, message

router = APIRouter(prefix="/v1", tags=["anthropic"])
asking = APIRouter(route_class=admitted(Scope.CHAT, costs=True, limited=Limited.AI))
# As a request like any other: agents count before each turn, and no model answers.
counting = APIRouter(route_class=admitted(Scope.CHAT, costs=True))
_ANSWER = described(
    "The message; with `stream` its events, from `message_start` to `message_stop`, as server-sent events."
)


@asking.post("/messages", summary="Anthropic: go on with a conversation", responses=_ANSWER, response_class=Response)
async def messages(
    request: Request,
    body: MessagesBody,
    user: CurrentUser,
    house: HouseDep,
    conversation: ConversationHeader = None,
    key: IdempotencyHeader = None,
) -> Response:
    """For Anthropic's SDKs and all that speak its protocol: any model of this server, by `provider/id` or a bare id.

    The conversation is the client's; whoever leaves ends the answer. With `X-Conversation-ID` it is one of ours.
    With an `Idempotency-Key` the answer goes on, and a repeat gets it from its beginning.
    """
    answering = await begun(
        request,
        house,
        user,
        model=body.model,
        make=body.request,
        whole=not body.stream,
        conversation=conversation,
        key=await door_key(request, key, body, conversation),
    )
    about = f"msg_{answering.generation.id}", answering.generation.model
    if body.stream:
        return await streamed(request, house, answering, MessageStream(*about))
    answer = await whole(request, answering)
    return Response(message(answer, *about), media_type="application/json", headers=dict(answering.headers))


@counting.post(
    "/messages/count_tokens",
    summary="Anthropic: count the tokens of a prompt",
    responses={200: {"description": "The count."}, 404: {"description": "There is no such model."}},
)
async def count_tokens(request: Request, body: PromptBody, user: CurrentUser, house: HouseDep) -> TokenCount:
    """Before it is sent; no model answers, and nothing is stored."""
    count = house.token_counting.count(user, body.model, body.request)
    return TokenCount(input_tokens=await unless_left(request, count))


for part in (asking, counting):
    router.include_router(part)
