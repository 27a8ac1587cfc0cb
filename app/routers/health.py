"""Whether the process lives, and whether it is ready for work."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field

from app import __version__
from app.dependencies import HouseDep
from app.schemas.base import Answer

router = APIRouter(tags=["operations"])


class HealthAnswer(Answer):
    status: Literal["healthy"] = Field(description="Always the same.")
    version: str = Field(description="Of this server.")


class ReadyAnswer(Answer):
    status: Literal["ready", "degraded", "unavailable", "draining"] = Field(
        description="`degraded`: it works without a part that it can do without."
    )
    parts: dict[str, str] = Field(
        description="Each part and its state.",
        examples=[{"database": "ok", "generations": "ok", "limits": "local", "streams": "local"}],
    )


@router.head("/health", include_in_schema=False)
@router.get("/health", summary="Tell whether the process lives", response_description="It does.")
async def health() -> HealthAnswer:
    """The process lives."""
    return HealthAnswer(status="healthy", version=__version__)


@router.head("/ready", include_in_schema=False)
@router.get(
    "/ready",
    summary="Tell whether it is ready for work",
    response_description="It is.",
    responses={503: {"model": ReadyAnswer, "description": "Draining, or the database is away."}},
)
async def ready(house: HouseDep, response: Response) -> ReadyAnswer:
    """Ready for work: 503 while draining, with the database away or its schema behind."""
    found = await house.readiness.check()
    response.headers["cache-control"] = "no-store"
    if found.status not in ("ready", "degraded"):
        response.status_code = 503
        response.headers["retry-after"] = "2"
    return ReadyAnswer(status=found.status, parts=dict(found.parts))
