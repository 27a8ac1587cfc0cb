"""One's own account, and for administrators everybody's."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.routers.cookies import clear_session
from app.schemas.base import EntityId
from app.schemas.identity import ChangeMeBody, UserAnswer
from app.schemas.users import ChangeUserBody, UsersAnswer, UsersQuery
from app.services.accounts import ProfileChange
from app.services.users import UserChange, UserFilter

router = APIRouter(tags=["users"])
by_anyone = APIRouter(prefix="/users", route_class=admitted())
in_person = APIRouter(prefix="/users", route_class=admitted(in_person=True))
by_admins = APIRouter(prefix="/users", route_class=admitted(Scope.ADMIN, admin=True))

Responses = dict[int | str, dict[str, Any]]
_LAST_ADMIN: Responses = {409: {"description": "The last active administrator cannot be removed (`last_admin`)."}}
_NOT_DELETED: Responses = {
    409: {
        "description": "The last active administrator cannot be removed (`last_admin`), "
        "and the account of API_KEYS only be deactivated (`conflict`)."
    }
}
_CHANGE_ME: Responses = {
    403: {"description": "An API key was sent (`sign_in_required`), or the current password is wrong (`forbidden`)."},
    409: {"description": "An account with this address exists already."},
    429: {"description": "Too many requests; or too many wrong passwords for this account (`account_locked`)."},
}


@by_anyone.get("/me", summary="Show one's account", response_description="Your account.")
async def show_me(user: CurrentUser) -> UserAnswer:
    return UserAnswer.model_validate(user.user)


@in_person.patch(
    "/me",
    summary="Change one's account",
    response_description="Your account as it is now.",
    responses=_CHANGE_ME,
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


@in_person.delete("/me", status_code=204, summary="Delete one's account", responses=_LAST_ADMIN)
async def delete_me(user: CurrentUser, response: Response, house: HouseDep) -> None:
    """The account and all that belongs to it, for good."""
    await house.accounts.delete(user)
    clear_session(response, house)


@by_admins.get("", summary="List users")
async def list_users(query: Annotated[UsersQuery, Query()], house: HouseDep, _: CurrentUser) -> UsersAnswer:
    """Everybody, the newest first. For administrators."""
    wanted = UserFilter(q=query.q, role=query.role, is_active=query.is_active)
    return UsersAnswer.of(await house.users.page(wanted, limit=query.limit, cursor=query.cursor))


@by_admins.get("/{user_id}", summary="Show a user", response_description="The user.")
async def show_user(user_id: EntityId, house: HouseDep, _: CurrentUser) -> UserAnswer:
    """For administrators."""
    return UserAnswer.model_validate(await house.users.get(user_id))


@by_admins.patch(
    "/{user_id}", summary="Change a user", response_description="The user as it is now.", responses=_LAST_ADMIN
)
async def change_user(user_id: EntityId, body: ChangeUserBody, user: CurrentUser, house: HouseDep) -> UserAnswer:
    """Role, name, and whether the user may come in; it holds from the next request on. For administrators.

    Deactivation ends the user's sessions and running answers, and keeps everything else.
    """
    change = UserChange(
        role=body.role, is_active=body.is_active, rename="name" in body.model_fields_set, name=body.name
    )
    return UserAnswer.model_validate(await house.users.change(user_id, change, by=user))


@by_admins.delete("/{user_id}", status_code=204, summary="Delete a user", responses=_NOT_DELETED)
async def delete_user(user_id: EntityId, user: CurrentUser, house: HouseDep) -> None:
    """A user and all that is theirs, for good. For administrators."""
    await house.users.delete(user_id, by=user)


for part in (by_anyone, in_person, by_admins):
    router.include_router(part)
