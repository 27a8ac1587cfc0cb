"""Conversations and their messages, a tree each."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from app.models.base import Exact, Id, LongText, Money, UtcDateTime, Word, metadata

conversations = Table(
    "conversations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("title", String(200), nullable=False),
    Column("model", Exact, nullable=False),
    # Whether a request named the model: only then does it hold for the next message too.
    Column("model_given", Boolean, nullable=False),
    Column("system_prompt", LongText),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "user_id", "updated_at", "id"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    # No foreign key: parent and child always go together, with their conversation.
    Column("parent_id", Id),
    # Messages are ordered by this number of their own: ids and clocks of several instances may disagree.
    Column("position", Integer, nullable=False),
    Column("role", Word, nullable=False),
    Column("content", LongText, nullable=False),
    # What a model thought before its answer, as JSON: blocks with their vendor's signatures.
    Column("reasoning", LongText),
    Column("status", Word, nullable=False),
    Column("model", Exact),
    Column("generation_id", Id),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cost", Money),
    Column("failure_code", Word),
    Column("failure_detail", String(500)),
    Column("failure_retryable", Boolean),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("conversation_id", "position"),
)
