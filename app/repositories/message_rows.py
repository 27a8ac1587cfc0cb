"""What rows of messages stand for, and where a page of them goes on."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import RowMapping

from app.core.errors import InvalidCursor
from app.domain.chat import Author, Bill, Failure, Message, Page, Said, Spot, Status
from app.domain.failures import FailureCode
from app.domain.prompts import Reasoning

_decode_reasoning = msgspec.json.Decoder(list[Reasoning]).decode


def to_position(cursor: str) -> int:
    """Where a page of messages goes on. Raises InvalidCursor."""
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
        raise InvalidCursor
    return int(cursor)


def to_page(rows: Sequence[RowMapping], limit: int) -> Page[Message]:
    """Of rows up to one more than the page is to have, which says that there is another."""
    found = [to_message(row) for row in rows]
    return Page(found[:limit], str(found[limit - 1].position) if len(found) > limit else None)


def to_message(row: RowMapping) -> Message:
    billed = row["input_tokens"] is not None
    failed = row["failure_code"] is not None
    return Message(
        id=row["id"],
        conversation_id=row["conversation_id"],
        parent_id=row["parent_id"],
        position=row["position"],
        role=Author(row["role"]),
        content=row["content"],
        status=Status(row["status"]),
        model=row["model"],
        generation_id=row["generation_id"],
        bill=Bill(row["input_tokens"], row["output_tokens"], row["cost"]) if billed else None,
        failure=Failure(FailureCode(row["failure_code"]), row["failure_detail"], row["failure_retryable"])
        if failed
        else None,
        created_at=row["created_at"],
        branch_id=row["branch_id"],
        reasoning=to_reasoning(row["reasoning"]),
        sources=row["sources"],
    )


def to_said(row: RowMapping) -> Said:
    return Said(
        id=row["id"],
        role=Author(row["role"]),
        content=row["content"],
        branch_id=row["branch_id"],
        position=row["position"],
        model=row["model"],
        reasoning=to_reasoning(row["reasoning"]),
    )


def to_reasoning(stored: str | None) -> Sequence[Reasoning]:
    return _decode_reasoning(stored) if stored else ()


def to_spot(row: RowMapping) -> Spot:
    """Of a row that also tells the last position of its branch."""
    return Spot(
        id=row["id"],
        parent_id=row["parent_id"],
        role=Author(row["role"]),
        branch_id=row["branch_id"],
        position=row["position"],
        last=row["position"] == row["last_position"],
    )
