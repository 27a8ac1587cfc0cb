"""What a user has used."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.dependencies import CurrentUser, HouseDep, admitted
from app.schemas.usage import OptionalDay, UsageReportAnswer

router = APIRouter(prefix="/users/me/usage", tags=["users"], route_class=admitted())


@router.get("", summary="Show what one has used", response_description="The report.")
async def show_usage(
    user: CurrentUser,
    house: HouseDep,
    first: Annotated[OptionalDay, Query(alias="from", description="The first day.")] = None,
    last: Annotated[OptionalDay, Query(alias="to", description="The last day, today if it is left out.")] = None,
) -> UsageReportAnswer:
    """Tokens and cost by day (UTC) and model, the newest day first, and what is left of each limit.

    Without days the last 30; at most 366 at once.
    """
    return UsageReportAnswer.of(await house.usage.report(user, first, last))
