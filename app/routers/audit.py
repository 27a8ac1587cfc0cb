"""The audit log, for admins to search."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.schemas.audit import AuditAnswer, AuditQuery

router = APIRouter(prefix="/admin", tags=["admin"], route_class=admitted(Scope.ADMIN, admin=True))


@router.get("/audit", summary="Search the audit log")
async def search_audit(query: Annotated[AuditQuery, Query()], _: CurrentUser, house: HouseDep) -> AuditAnswer:
    """What was done to accounts and credentials, newest first: acts that fit all that is given.

    Rows are only ever added. They name people by id, and stay when an account is deleted.
    """
    return AuditAnswer.of(await house.audit.page(query.search(), limit=query.limit, cursor=query.cursor))
