"""The bodies of conversations and messages."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from app.domain.chat import Author, Message, Page, Status
from app.domain.conversation_files import decimal
from app.domain.failures import FailureCode
from app.domain.matches import Listed
from app.schemas.base import Answer, Body, EntityId, Id, NextCursor, Text
from app.schemas.chat import UsageAnswer
from app.schemas.feedback import FeedbackAnswer
from app.schemas.grounded import SourcesAnswer
from app.schemas.search import MatchAnswer


class ChangeBody(Body):
    """What is to be changed; at least one of them."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    title: Text | None = Field(
        None,
        max_length=200,
        description="The new title.",
        examples=["旅行计划 Travel plans"],
        json_schema_extra={"pattern": r"\S"},
    )
    leaf_id: EntityId | None = Field(
        None,
        description="A message that the active path is to go through; from there it follows what was said last.",
    )

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.title is None and self.leaf_id is None:
            raise ValueError("needs a title or a leaf_id")
        return self


class ConversationAnswer(Answer):
    id: Id = Field(description="The conversation's id, to go on with it.")
    title: str = Field(description="How the first message begins, until you or a model give it another.")
    model: str = Field(description="The model that answered last.")
    created_at: datetime = Field(description="When it began.")
    updated_at: datetime = Field(description="When something was last said in it, or it began.")
    leaf_id: Id | None = Field(description="The message in which the active path ends: what is said next follows it.")


class FoundConversationAnswer(ConversationAnswer):
    """One that a search has found."""

    match: MatchAnswer = Field(description="Where it holds what `q` asks for.")


class ConversationsAnswer(Answer):
    items: list[FoundConversationAnswer | ConversationAnswer] = Field(
        description="The conversations of this page; with `q` each has a `match` besides."
    )
    next_cursor: NextCursor

    @classmethod
    def of(cls, page: Page[Listed]) -> Self:
        return cls(items=[_listed(each) for each in page.items], next_cursor=page.next_cursor)


def _listed(listed: Listed) -> ConversationAnswer:
    conversation = ConversationAnswer.model_validate(listed.conversation)
    if listed.match is None:
        return conversation
    return FoundConversationAnswer(**conversation.model_dump(), match=MatchAnswer.model_validate(listed.match))


class ErrorAnswer(Answer):
    """Why an answer failed."""

    code: FailureCode = Field(description="The stable machine word.")
    detail: str = Field(description="For people.")
    retryable: bool = Field(description="Whether asking again may succeed.")


class AttachedAnswer(Answer):
    file_id: Id = Field(description="The file.")
    name: str = Field(description="What it was called.")


class MessageAnswer(Answer):
    id: Id = Field(description="The message's id, to continue from it.")
    role: Author = Field(description="Who speaks.")
    content: str = Field(description="What was said; so far, while it is being written.")
    reasoning: str | None = Field(description="What the model thought before it answered, where its vendor tells.")
    files: list[AttachedAnswer] = Field(description="What is attached to what a user says; it may have been deleted.")
    sources: SourcesAnswer | None = Field(
        description="What the answer was given to answer from, as its `sources` event told; null: nothing."
    )
    status: Status = Field(description="How the answer stands; what a user says is `complete`.")
    model: str | None = Field(description="Who answered, as `provider/id`; null for what a user says.")
    parent_id: Id | None = Field(description="The message before it; null for the first.")
    siblings: list[Id] = Field(
        description="What was said in its place, itself among it, oldest first; of very much the nearest 101."
    )
    generation_id: Id | None = Field(description="The run that wrote it; null for what a user says.")
    created_at: datetime = Field(description="When it was sent, or begun.")
    usage: UsageAnswer | None = Field(description="What the answer used; null where that is not known.")
    error: ErrorAnswer | None = Field(description="Why the answer failed; null when it did not.")
    feedback: FeedbackAnswer | None = Field(description="What you thought of the answer; null while you have not said.")

    @classmethod
    def of(cls, message: Message, siblings: Sequence[str]) -> Self:
        bill, failure = message.bill, message.failure
        return cls(
            id=message.id,
            role=message.role,
            content=message.content,
            reasoning="".join(block.text for block in message.reasoning) or None,
            files=[AttachedAnswer.model_validate(each) for each in message.attached],
            sources=SourcesAnswer.model_validate_json(message.sources) if message.sources else None,
            status=message.status,
            model=message.model,
            parent_id=message.parent_id,
            siblings=list(siblings),
            generation_id=message.generation_id,
            created_at=message.created_at,
            usage=UsageAnswer(input_tokens=bill.input_tokens, output_tokens=bill.output_tokens, cost=decimal(bill.cost))
            if bill
            else None,
            error=ErrorAnswer.model_validate(failure) if failure else None,
            feedback=FeedbackAnswer.model_validate(message.feedback) if message.feedback else None,
        )


class MessagesAnswer(Answer):
    items: list[MessageAnswer] = Field(description="The messages of this page.")
    next_cursor: NextCursor

    @classmethod
    def of(cls, page: Page[Message], siblings: Mapping[str, Sequence[str]]) -> Self:
        items = [MessageAnswer.of(each, siblings[each.id]) for each in page.items]
        return cls(items=items, next_cursor=page.next_cursor)


class SummaryAnswer(Answer):
    """What a model is shown in place of the older part of a conversation that it cannot hold."""

    id: Id = Field(description="The summary's id.")
    message_id: Id = Field(description="The last message that it stands for, with all before that.")
    summary: str | None = Field(description="What is shown in their place; null: nothing is.")
    tokens: int = Field(description="About how many tokens those messages take.")
    model: str | None = Field(description="Who wrote it, as `provider/id`; null where nobody did.")
    created_at: datetime = Field(description="When it was made.")


class SummariesAnswer(Answer):
    items: list[SummaryAnswer] = Field(description="The summaries of this page.")
    next_cursor: NextCursor
