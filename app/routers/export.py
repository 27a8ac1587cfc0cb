"""All that a user has stored, to take away."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.wire.archive import ArchiveResponse

router = APIRouter(
    prefix="/users/me/export",
    tags=["users"],
    route_class=admitted(in_person=True, costs=True),
)

_ZIP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A zip archive.",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("", summary="Export all one's data", response_class=Response, responses=_ZIP)
async def export_me(user: CurrentUser, house: HouseDep) -> Response:
    """One zip archive: profile, sessions, API keys (not their secrets), usage, audit records, and every conversation.

    It is sent while it is made, one at a time for each user: 429 during another, 503 while too many others are made.
    The file of a conversation can be imported again; of one that was deleted meanwhile it has `"deleted": true`, and
    lacks messages.
    """
    export = await house.exports.begin(user)
    filename = f"export-{datetime.now(UTC):%Y-%m-%d}.zip"
    return ArchiveResponse(export, filename=filename, limits=house.download_limits)
