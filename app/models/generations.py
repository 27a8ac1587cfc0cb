"""Runs of a model: their state, their event logs, the leases of the instances that run them, idempotency records and
what those replay that is stored nowhere else."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from app.models.base import Exact, Id, LongBytes, Seconds, UtcDateTime, Word, metadata

generations = Table(
    "generations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    # The conversation while the run lives, then null: a unique key that every database has, so that two posts at once
    # cannot both start a run in one conversation.
    Column("live_conversation_id", Id, unique=True),
    Column("message_id", Id, nullable=False),
    Column("status", Word, nullable=False),
    Column("owner_id", Id, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("model", Exact, nullable=False),
    Column("last_seq", Integer, nullable=False),
    # Set by the instance that was asked to stop a run which another owns; the owner looks each second.
    Column("stop_requested", Boolean, nullable=False),
    Column("failure_code", Word),
    Column("failure_detail", String(500)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index(None, "user_id"),
    Index(None, "conversation_id"),
    Index(None, "status", "owner_id"),
)

# While a run lives: what its log gained since the last tick, one appended row each, never rewritten.
generation_checkpoints = Table(
    "generation_checkpoints",
    metadata,
    Column("generation_id", Id, ForeignKey("generations.id", ondelete="CASCADE"), primary_key=True),
    Column("first_seq", Integer, primary_key=True, autoincrement=False),
    Column("events", LongBytes, nullable=False),
)

# When it has ended: the whole log, compressed, until `expires_at`.
generation_logs = Table(
    "generation_logs",
    metadata,
    Column("generation_id", Id, ForeignKey("generations.id", ondelete="CASCADE"), primary_key=True),
    Column("events", LongBytes, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "expires_at"),
)

# One row a living instance. `expires_at` is by the database's clock; a row that is gone means that others took over.
instances = Table(
    "instances",
    metadata,
    Column("id", Id, primary_key=True),
    Column("expires_at", Seconds, nullable=False),
)

idempotency_records = Table(
    "idempotency_records",
    metadata,
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("route", Exact, primary_key=True),
    Column("key", Exact, primary_key=True),
    Column("body_hash", String(64), nullable=False),
    # Of what the request has begun or made: a generation, an API key.
    Column("outcome_id", Id, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "created_at"),
)

# What a door answers to a request with an Idempotency-Key, where no conversation keeps it.
kept_answers = Table(
    "kept_answers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    # The instance that makes it: while it lives and there is no content, the answer is being written.
    Column("owner_id", Id, nullable=False),
    Column("model", Exact, nullable=False),
    Column("content", LongBytes),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)
