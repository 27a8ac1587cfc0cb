"""Ollama's chat and generate, for any model of this server."""

import time

from fastapi import APIRouter, Request, Response

from app.bootstrap import House
from app.core.errors import AnswerFailed
from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.failures import FailureCode
from app.domain.identity import Principal, Scope
from app.routers.idempotency import IdempotencyHeader, door_key
from app.routers.passages import FAILURES, begun, streamed, whole
from app.routers.streaming import Responses
from app.schemas.ollama_chat import OllamaChatBody, OllamaGenerateBody
from app.services.limits import Limited
from app.wire.ollama_chat import BrokenCall, OllamaStream, loaded, whole_answer

router = APIRouter(
    prefix="/ollama/api",
    tags=["ollama"],
    route_class=admitted(Scope.CHAT, costs=True, limited=Limited.AI),
)
_ANSWER: Responses = {
    200: {
        "description": "Lines of JSON, the last one with `done`; without `stream` one object.",
        "content": {
            "application/x-ndjson": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object"}},
        },
    },
    **FAILURES,
    404: {"description": "There is no such model."},
}


@router.post("/chat", summary="Ollama: go on with a conversation", responses=_ANSWER, response_class=Response)
async def ollama_chat(
    request: Request, body: OllamaChatBody, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> Response:
    """For Ollama's clients, with `OLLAMA_HOST` set to this server's `/ollama`. Whoever leaves ends the answer."""
    return await _answered(request, body, user, house, key, generate=False)


@router.post("/generate", summary="Ollama: answer a prompt", responses=_ANSWER, response_class=Response)
async def ollama_generate(
    request: Request, body: OllamaGenerateBody, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> Response:
    """A single prompt, for Ollama's clients. Whoever leaves ends the answer."""
    return await _answered(request, body, user, house, key, generate=True)


async def _answered(
    request: Request,
    body: OllamaChatBody | OllamaGenerateBody,
    user: Principal,
    house: House,
    key: str | None,
    *,
    generate: bool,
) -> Response:
    began = time.monotonic_ns()
    model = (await house.models.one(user.grants, body.model, first="ollama")).name
    if body.empty:
        reason = "unload" if body.keep_alive in (0, "0", "0s") else "load"
        line = loaded(body.model, reason, generate=generate)
        return Response(line, media_type=OllamaStream.media_type if body.stream else "application/json")
    named = await door_key(request, key, body)
    answering = await begun(request, house, user, model=model, make=body.request, whole=not body.stream, key=named)
    if body.stream:
        return await streamed(request, house, answering, OllamaStream(body.model, generate=generate))
    answer = await whole(request, answering)
    try:
        spelled = whole_answer(answer, body.model, generate=generate, began=began)
    except BrokenCall as error:
        detail = "The model called a tool with what is no JSON object."
        raise AnswerFailed(FailureCode.UPSTREAM_PROTOCOL.value, detail) from error
    return Response(spelled, media_type="application/json")
