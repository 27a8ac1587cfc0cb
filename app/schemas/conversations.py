"""The bodies of conversations and messages."""

from datetime import datetime
from decimal import Decimal
from typing import Self

from pydantic import Field

from app.domain.chat import Author, Message, Page, Status
from app.domain.failures import FailureCode
from app.schemas.base import Answer, Body, Text
from app.schemas.chat import UsageAnswer


class RenameBody(Body):
    title: Text = Field(max_length=200, examples=["旅行计划 Travel plans"], json_schema_extra={"pattern": r"\S"})


class ConversationAnswer(Answer):
    id: str
    title: str
    model: str = Field(description="The model that answered last.")
    created_at: datetime
    updated_at: datetime


class ConversationsAnswer(Answer):
    items: list[ConversationAnswer]
    next_cursor: str | None


class ErrorAnswer(Answer):
    """Why an answer failed; `retryable` when asking again may succeed."""

    code: FailureCode
    detail: str
    retryable: bool


class MessageAnswer(Answer):
    id: str
    role: Author
    content: str
    reasoning: str | None = Field(description="What the model thought before it answered, where its vendor tells.")
    status: Status
    model: str | None
    parent_id: str | None
    generation_id: str | None
    created_at: datetime
    usage: UsageAnswer | None
    error: ErrorAnswer | None

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
    items: list[MessageAnswer]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[Message]) -> Self:
        return cls(items=[MessageAnswer.of(each) for each in page.items], next_cursor=page.next_cursor)


def _decimal(cost: Decimal | None) -> str | None:
    return None if cost is None else format(cost.normalize(), "f")
