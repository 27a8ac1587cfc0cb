"""The models, for OpenAI's and Anthropic's clients, which look for them at one address."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.routers.streaming import Responses
from app.schemas.model_lists import ModelListQuery
from app.wire import model_lists as wire

router = APIRouter(prefix="/v1", tags=["openai"], route_class=admitted(Scope.CHAT))
_JSON = "application/json"


def _answers(description: str) -> Responses:
    return {200: {"description": description, "content": {_JSON: {"schema": {"type": "object"}}}}}


@router.get(
    "/models",
    summary="OpenAI, Anthropic: list the models",
    responses=_answers("The models, each by its exact name."),
    response_class=Response,
)
async def list_models(query: Annotated[ModelListQuery, Query()], user: CurrentUser, house: HouseDep) -> Response:
    """All that may be named in `model`: to chat with, or to make vectors."""
    found = await house.models.stretch(user.grants, limit=query.limit, after=query.after_id, before=query.before_id)
    return Response(wire.model_list(found.items, more=found.more), media_type=_JSON)


@router.get(
    "/models/{model:path}",
    summary="OpenAI, Anthropic: look at a model",
    responses=_answers("The model."),
    response_class=Response,
)
async def get_model(
    model: Annotated[str, Path(description="Its exact name, `provider/id`, or its bare id.")],
    user: CurrentUser,
    house: HouseDep,
) -> Response:
    """One model, listed or not."""
    return Response(wire.model(await house.models.one(user.grants, model)), media_type=_JSON)
