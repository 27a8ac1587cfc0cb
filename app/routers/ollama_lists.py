"""What Ollama's clients ask a server about itself and its models."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from app.core.errors import Invalid
from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.routers.streaming import Responses
from app.schemas.model_lists import ShowBody
from app.wire import ollama_lists as wire

router = APIRouter(prefix="/ollama", tags=["ollama"], route_class=admitted(Scope.CHAT))
_JSON = "application/json"
_RUNNING: Responses = {200: {"description": "There is such a server."}}


def _answers(description: str) -> Responses:
    return {200: {"description": description, "content": {_JSON: {"schema": {"type": "object"}}}}}


@router.head("", include_in_schema=False)
@router.head("/", include_in_schema=False)
@router.get("/", include_in_schema=False)
@router.get("", summary="Ollama: tell that it is there", responses=_RUNNING, response_class=PlainTextResponse)
async def ollama_running(user: CurrentUser) -> Response:
    """For clients that look whether there is an Ollama at their address."""
    return PlainTextResponse(wire.RUNNING)


@router.head("/api/version", include_in_schema=False)
@router.get("/api/version", summary="Ollama: tell its version", responses=_answers("It."), response_class=Response)
async def ollama_version(user: CurrentUser) -> Response:
    """The version of Ollama whose protocol this is."""
    return Response(wire.version(), media_type=_JSON)


@router.head("/api/tags", include_in_schema=False)
@router.get("/api/tags", summary="Ollama: list the models", responses=_answers("The models."), response_class=Response)
async def ollama_tags(user: CurrentUser, house: HouseDep) -> Response:
    """All models: an Ollama's as it names them, others by `provider/id`."""
    return Response(wire.tags(await house.models.everything(user.grants)), media_type=_JSON)


@router.get("/api/ps", summary="Ollama: list what is loaded", responses=_answers("None."), response_class=Response)
async def ollama_loaded(user: CurrentUser) -> Response:
    """None: what another server holds in its memory is its own business."""
    return Response(wire.loaded(), media_type=_JSON)


@router.post(
    "/api/show",
    summary="Ollama: tell of a model",
    responses={**_answers("It."), 404: {"description": "There is no such model."}},
    response_class=Response,
)
async def ollama_show(body: ShowBody, user: CurrentUser, house: HouseDep) -> Response:
    """What a model can do, and how long its context is."""
    name = body.model or body.name
    if not name:
        raise Invalid("model is required")
    return Response(wire.shown(await house.models.one(user.grants, name, first="ollama")), media_type=_JSON)
