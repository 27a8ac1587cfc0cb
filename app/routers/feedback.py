"""What one thinks of an answer."""

from fastapi import APIRouter

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.schemas.base import EntityId
from app.schemas.feedback import FeedbackBody

router = APIRouter(
    prefix="/conversations/{conversation_id}/messages/{message_id}/feedback",
    tags=["conversations"],
    route_class=admitted(Scope.CHAT),
)


@router.put("", status_code=204, summary="Rate an answer")
async def rate_answer(
    conversation_id: EntityId, message_id: EntityId, body: FeedbackBody, user: CurrentUser, house: HouseDep
) -> None:
    """Say what you think of an answer, also of one that failed or is being written; an earlier rating is replaced."""
    await house.feedback.put(user.user.id, conversation_id, message_id, body.feedback())


@router.delete("", status_code=204, summary="Take a rating back")
async def delete_rating(conversation_id: EntityId, message_id: EntityId, user: CurrentUser, house: HouseDep) -> None:
    """Harmless where there is none."""
    await house.feedback.delete(user.user.id, conversation_id, message_id)
