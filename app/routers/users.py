"""One's own account, and for administrators everybody's."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BeforeValidator

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Role, Scope
from app.routers.conversations import Cursor
from app.routers.cookies import clear_session
from app.schemas.base import EntityId, storable
from app.schemas.identity import ChangeMeBody, UserAnswer
from app.schemas.users import ChangeUserBody, UsersAnswer
from app.services.accounts import ProfileChange
from app.services.users import UserChange, UserFilter

router = APIRouter(tags=["users"])
by_anyone = APIRouter(prefix="/users", route_class=admitted())
in_person = APIRouter(prefix="/users", route_class=admitted(in_person=True))
by_admins = APIRouter(prefix="/users", route_class=admitted(Scope.ADMIN, admin=True))

Search = Annotated[
    str | None,
    Query(max_length=200, description="A part of the address or the name, in whatever case."),
    AfterValidator(lambda given: given and storable(given)),
]
# An empty value is one that a form left out.
OptionalRole = Annotated[
    Role | None, Query(description="Only those with this role."), BeforeValidator(lambda given: given or None)
]
OptionalFlag = Annotated[
    bool | None,
    Query(description="Only those who may come in, or who may not."),
    BeforeValidator(lambda given: None if given == "" else given),
]
_LAST_ADMIN: dict[int | str, dict[str, Any]] = {
    409: {"description": "The last active administrator cannot be removed."}
}


@by_anyone.get("/me", summary="Show one's account")
async def show_me(user: CurrentUser) -> UserAnswer:
    return UserAnswer.model_validate(user.user)


@in_person.patch(
    "/me",
    summary="Change one's account",
    responses={409: {"description": "An account with this address exists already."}},
)
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


@in_person.delete(
    "/me",
    status_code=204,
    summary="Delete one's account",
    responses={409: {"description": "The last active administrator cannot be removed."}},
)
async def delete_me(user: CurrentUser, response: Response, house: HouseDep) -> None:
    """The account and all that belongs to it, for good."""
    await house.accounts.delete(user)
    clear_session(response, house)


@by_admins.get("", summary="List users")
async def list_users(
    house: HouseDep,
    _: CurrentUser,
    q: Search = None,
    role: OptionalRole = None,
    is_active: OptionalFlag = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor = None,
) -> UsersAnswer:
    """Everybody, the newest first. For administrators."""
    wanted = UserFilter(q=q, role=role, is_active=is_active)
    return UsersAnswer.of(await house.users.page(wanted, limit=limit, cursor=cursor))


@by_admins.get("/{user_id}", summary="Show a user")
async def show_user(user_id: EntityId, house: HouseDep, _: CurrentUser) -> UserAnswer:
    """For administrators."""
    return UserAnswer.model_validate(await house.users.get(user_id))


@by_admins.patch("/{user_id}", summary="Change a user", responses=_LAST_ADMIN)
async def change_user(user_id: EntityId, body: ChangeUserBody, user: CurrentUser, house: HouseDep) -> UserAnswer:
    """Role, name, and whether the user may come in; it holds from the next request on. For administrators.

    Deactivation ends the user's sessions and running answers, and keeps everything else.
    """
    change = UserChange(
        role=body.role, is_active=body.is_active, rename="name" in body.model_fields_set, name=body.name
    )
    return UserAnswer.model_validate(await house.users.change(user_id, change, by=user))


@by_admins.delete("/{user_id}", status_code=204, summary="Delete a user", responses=_LAST_ADMIN)
async def delete_user(user_id: EntityId, user: CurrentUser, house: HouseDep) -> None:
    """A user and all that is theirs, for good. For administrators."""
    await house.users.delete(user_id, by=user)


for part in (by_anyone, in_person, by_admins):
    router.include_router(part)
