"""Where one is signed in."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.routers.cookies import clear_session
from app.schemas.base import EntityId
from app.schemas.lists import ListQuery
from app.schemas.sessions import SessionsAnswer

router = APIRouter(prefix="/users/me/sessions", tags=["users"], route_class=admitted(in_person=True))


@router.get("", summary="List where one is signed in")
async def list_sessions(query: Annotated[ListQuery, Query()], user: CurrentUser, house: HouseDep) -> SessionsAnswer:
    """Your sessions, the newest first."""
    page = await house.sessions.page(user.user.id, limit=query.limit, cursor=query.cursor)
    return SessionsAnswer.of(page, user.session_id)


@router.delete("/{session_id}", status_code=204, summary="End a session")
async def end_session(session_id: EntityId, user: CurrentUser, response: Response, house: HouseDep) -> None:
    """Signs out there: its tokens are refused from now on. Your own may be ended, too."""
    await house.sessions.end(user, session_id)
    if session_id == user.session_id:
        clear_session(response, house)
