"""The real Ollama behind this service: its answers as they are for users, its models for administrators."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from app.bootstrap import House
from app.dependencies import CurrentUser, HouseDep, admitted, still_admitted
from app.domain.identity import Principal, Scope
from app.routers.passages import unless_left
from app.routers.streaming import Responses
from app.services.limits import Limited
from app.services.ollama_passing import Passing
from app.services.ollama_proxy import Asked, Managed
from app.wire import refusal_schemas
from app.wire.doors import Door
from app.wire.passing import PassingResponse

asking = APIRouter(route_class=admitted(Scope.CHAT, costs=True, limited=Limited.AI))
listing = APIRouter(route_class=admitted(Scope.CHAT))
managing = APIRouter(prefix="/api", route_class=admitted(admin=True))
router = APIRouter(prefix="/ollama", tags=["ollama"])

_JSON = "application/json"
_FAILURES: Responses = {
    status: {"$ref": f"#/components/responses/{refusal_schemas.name(status, Door.OLLAMA)}"}
    for status in (404, 502, 503, 504)
}
_LINES: Responses = {
    200: {
        "description": "What the Ollama server answers, byte for byte: lines of JSON, or without `stream` one object.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}, _JSON: {"schema": {"type": "object"}}},
    },
    **_FAILURES,
}
_NOTHING: dict[str, Any] = {"text/plain": {"schema": {"type": "string", "maxLength": 0}}}
_DONE: Responses = {200: {"description": "It is done.", "content": _NOTHING}, **_FAILURES}
_LIST: Responses = {
    200: {"description": "Its models.", "content": {_JSON: {"schema": {"type": "object"}}}},
    **_FAILURES,
}
_THERE: Responses = {200: {"description": "It has it.", "content": _NOTHING}, **_FAILURES}
_TAKEN: Responses = {
    200: {"description": "It was there already.", "content": _NOTHING},
    201: {"description": "It is kept.", "content": _NOTHING},
    **_FAILURES,
}
_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

Begin = Callable[[Principal, bytes], Coroutine[Any, Any, Passing]]
Digest = Annotated[
    str, Path(pattern=r"^sha256:[0-9a-f]{64}$", description="Of the file's content: `sha256:` and 64 digits.")
]


def _body(**fields: tuple[str, Any]) -> dict[str, Any]:
    """For the API description: an object with these fields, of each what it is and an example, and with others."""
    properties = {name: {"description": about, "examples": [value]} for name, (about, value) in fields.items()}
    example = {name: value for name, (_, value) in fields.items()}
    schema = {"type": "object", "required": list(fields), "properties": properties, "examples": [example]}
    return {"requestBody": {"required": True, "content": {_JSON: {"schema": schema}}}}


_MODEL = ("The model, as the Ollama server calls it.", "llama3.2")
_CHAT = _body(model=_MODEL, messages=("What was said.", [{"role": "user", "content": "Hello"}]))
_GENERATE = _body(model=_MODEL, prompt=("What to go on from.", "Hello"))
_COPY = _body(source=_MODEL, destination=("What the copy is to be called.", "llama3.2-copy"))


@asking.post(
    "/chat", summary="Pass a chat on to Ollama", responses=_LINES, response_class=Response, openapi_extra=_CHAT
)
async def pass_ollama_chat(request: Request, user: CurrentUser, house: HouseDep) -> Response:
    """Ollama's own `/api/chat`, with its own models by its own names; whoever leaves ends the answer."""
    return await _passed(request, house, user, partial(house.ollama_proxy.ask, asked=Asked.CHAT))


@asking.post(
    "/generate",
    summary="Pass a prompt on to Ollama",
    responses=_LINES,
    response_class=Response,
    openapi_extra=_GENERATE,
)
async def pass_ollama_generate(request: Request, user: CurrentUser, house: HouseDep) -> Response:
    """Ollama's own `/api/generate`, with its own models by its own names; whoever leaves ends the answer."""
    return await _passed(request, house, user, partial(house.ollama_proxy.ask, asked=Asked.GENERATE))


@listing.get("/tags", summary="List the models of Ollama", responses=_LIST, response_class=Response)
async def pass_ollama_tags(user: CurrentUser, house: HouseDep) -> Response:
    """Ollama's own list; a key that is for certain models sees those alone."""
    listed, media_type = await house.ollama_proxy.tags(user.grants)
    return Response(listed, headers={"content-type": media_type} if media_type else None)


@managing.post(
    "/pull",
    summary="Have Ollama fetch a model",
    responses=_LINES,
    response_class=Response,
    openapi_extra=_body(model=_MODEL),
)
async def pull_ollama_model(request: Request, user: CurrentUser, house: HouseDep) -> Response:
    """How far it is comes in lines, as long as it goes on; whoever leaves ends it, and what has come is kept."""
    return await _passed(request, house, user, partial(house.ollama_proxy.manage, managed=Managed.PULL))


@managing.post(
    "/push",
    summary="Have Ollama publish a model",
    responses=_LINES,
    response_class=Response,
    openapi_extra=_body(model=_MODEL),
)
async def push_ollama_model(request: Request, user: CurrentUser, house: HouseDep) -> Response:
    """How far it is comes in lines; whoever leaves ends it."""
    return await _passed(request, house, user, partial(house.ollama_proxy.manage, managed=Managed.PUSH))


@managing.post(
    "/create",
    summary="Have Ollama make a model",
    responses=_LINES,
    response_class=Response,
    openapi_extra=_body(model=_MODEL),
)
async def create_ollama_model(request: Request, user: CurrentUser, house: HouseDep) -> Response:
    """Out of another, or of files that were uploaded."""
    return await _passed(request, house, user, partial(house.ollama_proxy.manage, managed=Managed.CREATE))


@managing.post(
    "/copy", summary="Have Ollama copy a model", responses=_DONE, response_class=Response, openapi_extra=_COPY
)
async def copy_ollama_model(request: Request, user: CurrentUser, house: HouseDep) -> Response:
    """Under another name."""
    return await _passed(request, house, user, partial(house.ollama_proxy.manage, managed=Managed.COPY))


@managing.delete(
    "/delete",
    summary="Have Ollama delete a model",
    responses=_DONE,
    response_class=Response,
    openapi_extra=_body(model=_MODEL),
)
async def delete_ollama_model(request: Request, user: CurrentUser, house: HouseDep) -> Response:
    """With its files, unless another model has them too."""
    return await _passed(request, house, user, partial(house.ollama_proxy.manage, managed=Managed.DELETE))


@managing.head("/blobs/{digest}", summary="Ask whether Ollama has a file", responses=_THERE, response_class=Response)
async def find_ollama_blob(digest: Digest, user: CurrentUser, house: HouseDep) -> Response:
    """By its digest, before it is uploaded."""
    await house.ollama_proxy.find_blob(digest)
    return Response()


@managing.post(
    "/blobs/{digest}",
    summary="Upload a file to Ollama",
    status_code=201,
    responses=_TAKEN,
    response_class=Response,
    openapi_extra=_FILE,
)
async def take_ollama_blob(digest: Digest, request: Request, user: CurrentUser, house: HouseDep) -> Response:
    """A part of a model that is to be made; it is passed on while it comes, of any size."""
    return Response(status_code=await house.ollama_proxy.take_blob(digest, request.stream()))


async def _passed(request: Request, house: House, user: Principal, begin: Begin) -> Response:
    """Whatever comes, of which the server itself says whether it is JSON."""
    with house.door_bodies.body(user.user.id) as body:
        async for chunk in request.stream():
            body.add(chunk)
        principal = await still_admitted(request)
        passing = await _begun(request, begin(principal, body.take()))
    return PassingResponse(passing, limits=house.stream_limits, metrics=house.metrics)


async def _begun(request: Request, work: Coroutine[Any, Any, Passing]) -> Passing:
    """The answer once it has begun, unless its reader leaves before. Raises ClientDisconnect."""
    begun: list[Passing] = []

    async def begin() -> None:
        begun.append(await work)

    try:
        await unless_left(request, begin())
    except BaseException:
        for passing in begun:
            passing.leave()
            await passing.conclude()
        raise
    return begun[0]


for part in (asking, listing, managing):
    router.include_router(part)
