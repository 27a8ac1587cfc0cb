"""OpenAI's chat completions."""

from fastapi import APIRouter, Request, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.routers.idempotency import IdempotencyHeader, door_key
from app.routers.passages import ConversationHeader, begun, described, streamed, whole
from app.schemas.openai_chat import ChatCompletionBody
from app.services.limits import Limited
from app.wire.openai_chat import ChatCompletionStream, chat_completion

router = APIRouter(prefix="/v1", tags=["openai"], route_class=admitted(Scope.CHAT, costs=True, limited=Limited.AI))
_ANSWER = described("The completion; with `stream` its chunks as server-sent events, and `[DONE]` at the end.")


@router.post(
    "/chat/completions", summary="OpenAI: go on with a conversation", responses=_ANSWER, response_class=Response
)
async def chat_completions(
    request: Request,
    body: ChatCompletionBody,
    user: CurrentUser,
    house: HouseDep,
    conversation: ConversationHeader = None,
    key: IdempotencyHeader = None,
) -> Response:
    """For OpenAI's SDKs and all that speak its protocol: any model of this server, by `provider/id` or a bare id.

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
    about = f"chatcmpl-{answering.generation.id}", answering.created, answering.generation.model
    if body.stream:
        dialect = ChatCompletionStream(*about, include_usage=body.stream_options.include_usage)
        return await streamed(request, house, answering, dialect)
    answer = await whole(request, answering)
    return Response(chat_completion(answer, *about), media_type="application/json", headers=dict(answering.headers))
