"""One's own account."""

from fastapi import APIRouter, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.routers.cookies import clear_session
from app.schemas.identity import ChangeMeBody, UserAnswer
from app.services.accounts import ProfileChange

router = APIRouter(prefix="/users", tags=["users"])
by_anyone = APIRouter(route_class=admitted())
in_person = APIRouter(route_class=admitted(in_person=True))


@by_anyone.get("/me", summary="Show one's account")
async def show_me(user: CurrentUser) -> UserAnswer:
    return UserAnswer.model_validate(user.user)


@in_person.patch("/me", summary="Change one's account")
async def change_me(body: ChangeMeBody, user: CurrentUser, house: HouseDep) -> UserAnswer:
    """Another address or password takes `current_password` too. A new password ends every other session."""
    change = ProfileChange(
        rename="name" in body.model_fields_set,
        name=body.name,
        email=body.email,
        password=body.password,
        current_password=body.current_password,
    )
    return UserAnswer.model_validate(await house.accounts.change(user, change))


@in_person.delete("/me", status_code=204, summary="Delete one's account")
async def delete_me(user: CurrentUser, response: Response, house: HouseDep) -> None:
    """The account and all that belongs to it, for good."""
    await house.accounts.delete(user)
    clear_session(response, house)


for part in (by_anyone, in_person):
    router.include_router(part)
