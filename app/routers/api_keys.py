"""One's API keys: made, listed and taken away by a sign-in, for a key makes no keys."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.routers.idempotency import IdempotencyHeader, idempotency_key
from app.schemas.api_keys import KeysAnswer, NewKeyAnswer, NewKeyBody
from app.schemas.base import EntityId
from app.schemas.lists import ListQuery
from app.services.api_keys import WantedKey

router = APIRouter(prefix="/users/me/api-keys", tags=["users"], route_class=admitted(in_person=True))


@router.get("", summary="List one's API keys")
async def list_api_keys(query: Annotated[ListQuery, Query()], user: CurrentUser, house: HouseDep) -> KeysAnswer:
    """Your API keys, the newest first. The keys themselves are shown nowhere."""
    return KeysAnswer.of(await house.api_keys.page(user.user.id, limit=query.limit, cursor=query.cursor))


@router.post(
    "",
    status_code=201,
    summary="Make an API key",
    response_description="The new key, with its secret.",
    responses={
        403: {"description": "An API key was sent, or somebody who is no administrator asks for the scope `admin`."},
        409: {"description": "You have as many as one may have, or a request with this Idempotency-Key has made `id`."},
    },
)
async def make_api_key(
    request: Request,
    response: Response,
    body: NewKeyBody,
    user: CurrentUser,
    house: HouseDep,
    key: IdempotencyHeader = None,
) -> NewKeyAnswer:
    """Shows the key, this once; send it as `Authorization: Bearer …` or as `X-API-Key: …`.

    Repeating it with the same Idempotency-Key is 409 and tells the `id` of the key that was made, not the key.
    """
    scopes = None if body.scopes is None else tuple(body.scopes)
    wanted = WantedKey(name=body.name, scopes=scopes, expires_at=body.expires_at)
    made = await house.api_keys.make(user, wanted, idempotency_key(request, key, body))
    response.headers["Cache-Control"] = "no-store"
    return NewKeyAnswer.of(made.about, made.key)


@router.delete("/{key_id}", status_code=204, summary="Delete an API key")
async def delete_api_key(key_id: EntityId, user: CurrentUser, house: HouseDep) -> None:
    """It is refused from the next request on."""
    await house.api_keys.delete(user, key_id)
