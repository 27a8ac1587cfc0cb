"""The ledger: one row per upstream attempt. It refers to nothing by foreign key, for a bill outlives a conversation."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, UniqueConstraint

from app.models.base import Exact, Id, Money, UtcDateTime, Word, metadata

usage_records = Table(
    "usage_records",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("conversation_id", Id),
    Column("generation_id", Id, nullable=False),
    # answer; or title, summary, rewrite: what was asked of a model beside it; or embedding, which is of no generation
    Column("purpose", Word, nullable=False, server_default="answer"),
    Column("attempt", Integer, nullable=False),
    Column("provider", Word, nullable=False),
    Column("model", Exact, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False, server_default="0"),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost", Money),
    # complete, stopped, or the code of the failure
    Column("outcome", Word, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "user_id", "created_at"),
    UniqueConstraint("generation_id", "purpose", "attempt"),
)
