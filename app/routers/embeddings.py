"""Vectors of texts, for OpenAI's and for Ollama's clients."""

import time

from fastapi import APIRouter, Request, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.routers.idempotency import IdempotencyHeader, door_key
from app.routers.passages import unless_left
from app.routers.streaming import Responses
from app.schemas.ollama_embeddings import OllamaEmbedBody, OllamaEmbeddingsBody
from app.schemas.openai_embeddings import EmbeddingsBody
from app.services.limits import Limited
from app.wire import embeddings as wire

router = APIRouter()
_ROUTE = admitted(Scope.CHAT, costs=True, limited=Limited.AI)
_JSON = "application/json"
_ANSWER: Responses = {
    200: {"description": "The vectors, in the order of the texts.", "content": {_JSON: {"schema": {"type": "object"}}}},
    404: {"description": "There is no such model."},
    502: {"description": "The model's server failed, or its answer cannot be understood."},
    503: {"description": "The model's server is at its limit, or a part of ours went away."},
    504: {"description": "The model's server did not answer in time."},
}

openai = APIRouter(prefix="/v1", tags=["openai"], route_class=_ROUTE)
ollama = APIRouter(prefix="/ollama/api", tags=["ollama"], route_class=_ROUTE)


@openai.post("/embeddings", summary="OpenAI: make vectors of texts", responses=_ANSWER, response_class=Response)
async def embeddings(
    request: Request, body: EmbeddingsBody, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> Response:
    """By the model of this server's index, or by any that a provider has: of the texts as they are, without a prefix.

    Too many at once are asked for in several requests; of whoever leaves nothing more is asked, and what was is billed.
    """
    asked = body.asked()
    named = await door_key(request, key, body)
    made = await unless_left(request, house.kept_embedding.embed(user, body.model, asked, named))
    return await wire.answer(made, wire.openai_list(made, packed=asked.packed), house.download_limits)


@ollama.post("/embed", summary="Ollama: make vectors of texts", responses=_ANSWER, response_class=Response)
async def ollama_embed(
    request: Request, body: OllamaEmbedBody, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> Response:
    """By an Ollama's model, or by any other that makes vectors. What it was asked is billed, also to who leaves."""
    began, asked = time.monotonic_ns(), body.asked()
    if asked is None:
        return wire.no_embeddings(body.model)
    named = await door_key(request, key, body)
    made = await unless_left(request, house.kept_embedding.embed(user, body.model, asked, named))
    spelling = wire.ollama_embeddings(made, body.model, duration=time.monotonic_ns() - began)
    return await wire.answer(made, spelling, house.download_limits)


@ollama.post("/embeddings", summary="Ollama: make a vector of a text", responses=_ANSWER, response_class=Response)
async def ollama_embeddings(
    request: Request, body: OllamaEmbeddingsBody, user: CurrentUser, house: HouseDep, key: IdempotencyHeader = None
) -> Response:
    """The older way, for one text."""
    asked = body.asked()
    if asked is None:
        return wire.no_embedding()
    named = await door_key(request, key, body)
    made = await unless_left(request, house.kept_embedding.embed(user, body.model, asked, named))
    return await wire.answer(made, wire.ollama_embedding(), house.download_limits)


for part in (openai, ollama):
    router.include_router(part)
