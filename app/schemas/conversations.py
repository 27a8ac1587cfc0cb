"""The bodies of conversations and messages."""

from datetime import datetime
from decimal import Decimal
from typing import Self

from pydantic import Field

from app.domain.chat import Author, Message, Page, Status
from app.domain.failures import FailureCode
from app.schemas.base import Answer, Body, Id, NextCursor, Text
from app.schemas.chat import UsageAnswer


class RenameBody(Body):
    title: Text = Field(
        max_length=200,
        description="The new title.",
        examples=["旅行计划 Travel plans"],
        json_schema_extra={"pattern": r"\S"},
    )


class ConversationAnswer(Answer):
    id: Id = Field(description="The conversation's id, to go on with it.")
    title: str = Field(description="How the first message begins, until it is given another.")
    model: str = Field(description="The model that answered last.")
    created_at: datetime = Field(description="When it began.")
    updated_at: datetime = Field(description="When something was last said in it, or it began.")


class ConversationsAnswer(Answer):
    items: list[ConversationAnswer] = Field(description="The conversations of this page.")
    next_cursor: NextCursor


class ErrorAnswer(Answer):
    """Why an answer failed."""

    code: FailureCode = Field(description="The stable machine word.")
    detail: str = Field(description="For people.")
    retryable: bool = Field(description="Whether asking again may succeed.")


class MessageAnswer(Answer):
    id: Id = Field(description="The message's id, to continue from it.")
    role: Author = Field(description="Who speaks.")
    content: str = Field(description="What was said; so far, while it is being written.")
    reasoning: str | None = Field(description="What the model thought before it answered, where its vendor tells.")
    status: Status = Field(description="How the answer stands; what a user says is `complete`.")
    model: str | None = Field(description="Who answered, as `provider/id`; null for what a user says.")
    parent_id: Id | None = Field(description="The message before it; null for the first.")
    generation_id: Id | None = Field(description="The run that wrote it; null for what a user says.")
    created_at: datetime = Field(description="When it was sent, or begun.")
    usage: UsageAnswer | None = Field(description="What the answer used; null where that is not known.")
    error: ErrorAnswer | None = Field(description="Why the answer failed; null when it did not.")

    @classmethod
    def of(cls, message: Message) -> Self:
        bill, failure = message.bill, message.failure
        return cls(
            id=message.id,
            role=message.role,
            content=message.content,
            reasoning="".join(block.text for block in message.reasoning) or None,
            status=message.status,
            model=message.model,
            parent_id=message.parent_id,
            generation_id=message.generation_id,
            created_at=message.created_at,
            usage=UsageAnswer(
                input_tokens=bill.input_tokens, output_tokens=bill.output_tokens, cost=_decimal(bill.cost)
            )
            if bill
            else None,
            error=ErrorAnswer.model_validate(failure) if failure else None,
        )


class MessagesAnswer(Answer):
    items: list[MessageAnswer] = Field(description="The messages of this page.")
    next_cursor: NextCursor

    @classmethod
    def of(cls, page: Page[Message]) -> Self:
        return cls(items=[MessageAnswer.of(each) for each in page.items], next_cursor=page.next_cursor)


def _decimal(cost: Decimal | None) -> str | None:
    return None if cost is None else format(cost.normalize(), "f")
