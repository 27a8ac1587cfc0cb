"""Conversations and what was said in them."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.schemas.base import EntityId
from app.schemas.conversations import (
    ChangeBody,
    ConversationAnswer,
    ConversationsAnswer,
    MessagesAnswer,
    SummariesAnswer,
    SummaryAnswer,
)
from app.schemas.lists import ConversationsQuery, ListQuery, MessagesQuery, Order

router = APIRouter(prefix="/conversations", tags=["conversations"], route_class=admitted(Scope.CHAT))


@router.get("", summary="List or search one's conversations")
async def list_conversations(
    query: Annotated[ConversationsQuery, Query()], user: CurrentUser, house: HouseDep
) -> ConversationsAnswer:
    """Your conversations, the last used first; with `q` those that hold all of its words.

    Words are found whole, whatever their case, accents and English endings; Chinese, Japanese and Korean by any
    characters that follow each other.
    """
    page = await house.search.page(user.user.id, q=query.q, limit=query.limit, cursor=query.cursor)
    return ConversationsAnswer.of(page)


@router.get("/{conversation_id}", summary="Show a conversation", response_description="The conversation.")
async def get_conversation(conversation_id: EntityId, user: CurrentUser, house: HouseDep) -> ConversationAnswer:
    return ConversationAnswer.model_validate(await house.conversations.get(user.user.id, conversation_id))


@router.patch(
    "/{conversation_id}",
    summary="Rename a conversation, or switch to another of its paths",
    response_description="The conversation as it is now.",
)
async def change_conversation(
    conversation_id: EntityId, body: ChangeBody, user: CurrentUser, house: HouseDep
) -> ConversationAnswer:
    """Give a conversation another title, or let its active path go through another message."""
    conversation = await house.conversations.change(
        user.user.id, conversation_id, title=body.title, leaf_id=body.leaf_id
    )
    return ConversationAnswer.model_validate(conversation)


@router.delete("/{conversation_id}", status_code=204, summary="Delete a conversation")
async def delete_conversation(conversation_id: EntityId, user: CurrentUser, house: HouseDep) -> None:
    """Delete a conversation and all that was said in it; an answer that is being written is stopped."""
    await house.conversations.delete(user.user.id, conversation_id)


@router.get("/{conversation_id}/messages", summary="List what was said in a conversation")
async def list_messages(
    conversation_id: EntityId, query: Annotated[MessagesQuery, Query()], user: CurrentUser, house: HouseDep
) -> MessagesAnswer:
    """The messages of a conversation by creation; an answer that is being written with its text so far."""
    newest_first = query.order is Order.DESC
    if query.leaf is None:
        found = await house.conversations.messages(
            user.user.id, conversation_id, limit=query.limit, cursor=query.cursor, newest_first=newest_first
        )
    else:
        found = await house.conversations.path(
            user.user.id, conversation_id, query.leaf, limit=query.limit, cursor=query.cursor, newest_first=newest_first
        )
    return MessagesAnswer.of(found.page, found.siblings)


@router.get("/{conversation_id}/summaries", summary="List what stands for the older part of a conversation")
async def list_summaries(
    conversation_id: EntityId, query: Annotated[ListQuery, Query()], user: CurrentUser, house: HouseDep
) -> SummariesAnswer:
    """What models are shown in place of what they cannot hold, in the order of the messages; usually nothing.

    Your messages stay as they are.
    """
    page = await house.compactions.page(user.user.id, conversation_id, limit=query.limit, cursor=query.cursor)
    return SummariesAnswer(
        items=[SummaryAnswer.model_validate(each) for each in page.items], next_cursor=page.next_cursor
    )
