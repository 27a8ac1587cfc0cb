"""Conversations and what was said in them."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.schemas.base import EntityId
from app.schemas.conversations import ConversationAnswer, ConversationsAnswer, MessagesAnswer, RenameBody

router = APIRouter(prefix="/conversations", tags=["conversations"], route_class=admitted(Scope.CHAT))

Cursor = Annotated[
    str | None,
    Query(max_length=200, description="The `next_cursor` of the page before."),
    BeforeValidator(lambda given: given or None),
]


@router.get("")
async def list_conversations(
    user: CurrentUser, house: HouseDep, limit: Annotated[int, Query(ge=1, le=100)] = 20, cursor: Cursor = None
) -> ConversationsAnswer:
    """Your conversations, the last used first."""
    page = await house.conversations.page(user.user.id, limit=limit, cursor=cursor)
    return ConversationsAnswer(
        items=[ConversationAnswer.model_validate(each) for each in page.items], next_cursor=page.next_cursor
    )


@router.get("/{conversation_id}")
async def get_conversation(conversation_id: EntityId, user: CurrentUser, house: HouseDep) -> ConversationAnswer:
    return ConversationAnswer.model_validate(await house.conversations.get(user.user.id, conversation_id))


@router.patch("/{conversation_id}")
async def rename_conversation(
    conversation_id: EntityId, body: RenameBody, user: CurrentUser, house: HouseDep
) -> ConversationAnswer:
    """Give a conversation another title."""
    conversation = await house.conversations.rename(user.user.id, conversation_id, body.title)
    return ConversationAnswer.model_validate(conversation)


@router.delete("/{conversation_id}", status_code=204)
async def delete_conversation(conversation_id: EntityId, user: CurrentUser, house: HouseDep) -> None:
    """Delete a conversation and all that was said in it; an answer that is being written is stopped."""
    await house.conversations.delete(user.user.id, conversation_id)


@router.get("/{conversation_id}/messages")
async def list_messages(
    conversation_id: EntityId,
    user: CurrentUser,
    house: HouseDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Cursor = None,
    leaf: Annotated[EntityId | None, Query(description="Only the branch that ends in this message.")] = None,
) -> MessagesAnswer:
    """The messages of a conversation, oldest first; an answer that is being written with its text so far."""
    if leaf is not None:
        return MessagesAnswer.of(await house.conversations.branch(user.user.id, conversation_id, leaf))
    page = await house.conversations.messages(user.user.id, conversation_id, limit=limit, cursor=cursor)
    return MessagesAnswer.of(page)
