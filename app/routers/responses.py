"""OpenAI's responses."""

from typing import Any

from fastapi import APIRouter, Request, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.routers.idempotency import IdempotencyHeader, door_key
from app.routers.passages import (
    Answering,
    ConversationHeader,
    described,
    is_large,
    passing,
    stored,
    streamed,
    whole,
)
from app.schemas.openai_responses import ResponsesBody
from app.services.limits import Limited
from app.services.passages import Passage
from app.services.responses import PREFIX, Wanted
from app.wire.openai_response import whole_response
from app.wire.openai_responses import ResponseStream

router = APIRouter(prefix="/v1", tags=["openai"], route_class=admitted(Scope.CHAT, costs=True, limited=Limited.AI))
_ANSWER = described("The response; with `stream` its events as server-sent events.")


@router.post("/responses", summary="OpenAI: make a response", responses=_ANSWER, response_class=Response)
async def create_response(
    request: Request,
    body: ResponsesBody,
    user: CurrentUser,
    house: HouseDep,
    conversation: ConversationHeader = None,
    key: IdempotencyHeader = None,
) -> Response:
    """For OpenAI's SDKs: any model of this server, by `provider/id` or a bare id.

    A text without tools is kept as a conversation unless `store` is false, and `previous_response_id` goes on with it.
    """
    wanted = Wanted(body.model, body.store, body.previous_response_id, conversation)
    named = await door_key(request, key, body, conversation)
    begun = await house.responses.begin(user, wanted, body.request, named, aside=is_large(request))
    kept, all_at_once = not isinstance(begun, Passage), not body.stream
    if isinstance(begun, Passage):
        answering = passing(house, begun, whole=all_at_once)
    else:
        answering = stored(begun, whole=all_at_once)
    about = _about(body, answering, kept=kept)
    if body.stream:
        return await streamed(request, house, answering, ResponseStream(about, with_seals=body.with_seals))
    answer = await whole(request, answering)
    spelled = whole_response(answer, about, with_seals=body.with_seals)
    return Response(spelled, media_type="application/json", headers=dict(answering.headers))


def _about(body: ResponsesBody, answering: Answering, *, kept: bool) -> dict[str, Any]:
    asked = body.model_dump(include={"tool_choice", "reasoning", "text"}, by_alias=True, exclude_none=True)
    return {
        "id": f"{PREFIX}{answering.generation.id}",
        "object": "response",
        "created_at": answering.created,
        "model": answering.generation.model,
        "instructions": body.instructions,
        "metadata": body.metadata or {},
        "max_output_tokens": body.max_output_tokens,
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "reasoning": {"effort": body.reasoning.effort, "summary": body.reasoning.summary},
        "store": kept,
        "temperature": body.temperature,
        "text": asked.get("text", {"format": {"type": "text"}}),
        "tool_choice": asked.get("tool_choice", "auto"),
        "tools": [given.model_dump(exclude_none=True) | {"strict": bool(given.strict)} for given in body.tools],
        "top_p": body.top_p,
        "truncation": "disabled",
        "background": False,
        "user": None,
    }
