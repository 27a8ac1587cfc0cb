"""The audit trail: rows are added, never changed, which triggers hold (they stand in the migration alone).

It refers to nothing by key, for it outlives whom it names.
"""

from sqlalchemy import Column, Index, String, Table

from app.models.base import Id, LongText, UtcDateTime, Word, metadata

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("action", Word, nullable=False),
    Column("actor", Word, nullable=False),
    Column("actor_id", Id),
    # Of the session or the API key by which the actor came.
    Column("credential_id", Id),
    Column("target_id", Id),
    Column("address", String(45)),
    Column("request_id", String(128)),
    # JSON
    Column("detail", LongText, nullable=False),
    # Each serves one way to search, newest first, and the place where a page goes on.
    Index(None, "created_at", "id"),
    Index(None, "action", "created_at", "id"),
    Index(None, "actor_id", "created_at", "id"),
    Index(None, "target_id", "created_at", "id"),
    Index(None, "address", "created_at", "id"),
    Index(None, "request_id", "created_at", "id"),
)
