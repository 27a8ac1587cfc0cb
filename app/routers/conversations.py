"""Conversations and what was said in them."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.schemas.base import EntityId
from app.schemas.conversations import ConversationAnswer, ConversationsAnswer, MessagesAnswer, RenameBody
from app.schemas.lists import ListQuery, MessagesQuery

router = APIRouter(prefix="/conversations", tags=["conversations"], route_class=admitted(Scope.CHAT))


@router.get("", summary="List one's conversations")
async def list_conversations(
    query: Annotated[ListQuery, Query()], user: CurrentUser, house: HouseDep
) -> ConversationsAnswer:
    """Your conversations, the last used first."""
    page = await house.conversations.page(user.user.id, limit=query.limit, cursor=query.cursor)
    return ConversationsAnswer(
        items=[ConversationAnswer.model_validate(each) for each in page.items], next_cursor=page.next_cursor
    )


@router.get("/{conversation_id}", summary="Show a conversation", response_description="The conversation.")
async def get_conversation(conversation_id: EntityId, user: CurrentUser, house: HouseDep) -> ConversationAnswer:
    return ConversationAnswer.model_validate(await house.conversations.get(user.user.id, conversation_id))


@router.patch(
    "/{conversation_id}",
    summary="Rename a conversation",
    response_description="The conversation as it is now.",
)
async def rename_conversation(
    conversation_id: EntityId, body: RenameBody, user: CurrentUser, house: HouseDep
) -> ConversationAnswer:
    """Give a conversation another title."""
    conversation = await house.conversations.rename(user.user.id, conversation_id, body.title)
    return ConversationAnswer.model_validate(conversation)


@router.delete("/{conversation_id}", status_code=204, summary="Delete a conversation")
async def delete_conversation(conversation_id: EntityId, user: CurrentUser, house: HouseDep) -> None:
    """Delete a conversation and all that was said in it; an answer that is being written is stopped."""
    await house.conversations.delete(user.user.id, conversation_id)


@router.get("/{conversation_id}/messages", summary="List what was said in a conversation")
async def list_messages(
    conversation_id: EntityId, query: Annotated[MessagesQuery, Query()], user: CurrentUser, house: HouseDep
) -> MessagesAnswer:
    """The messages of a conversation, oldest first; an answer that is being written with its text so far."""
    if query.leaf is not None:
        return MessagesAnswer.of(await house.conversations.branch(user.user.id, conversation_id, query.leaf))
    page = await house.conversations.messages(user.user.id, conversation_id, limit=query.limit, cursor=query.cursor)
    return MessagesAnswer.of(page)
