"""Tickets for EventSource."""

from fastapi import APIRouter, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.schemas.tickets import TicketAnswer

router = APIRouter(prefix="/auth", tags=["auth"], route_class=admitted(Scope.CHAT))


@router.post("/ticket", summary="Get a ticket for EventSource", response_description="The ticket.")
async def issue_ticket(user: CurrentUser, response: Response, house: HouseDep) -> TicketAnswer:
    """For `?ticket=` of the GET streams, where no header can be set.

    It opens one generation, within 30 seconds, and stays good for reconnecting to that one. It may do what the
    credential may that asked for it, and ends with it.
    """
    response.headers["Cache-Control"] = "no-store"
    return TicketAnswer.model_validate(await house.tickets.issue(user))
