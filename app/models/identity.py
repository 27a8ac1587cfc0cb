"""Users and their sign-in sessions."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table

from app.models.base import Exact, Id, UtcDateTime, Word, metadata

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email", Exact, nullable=False, unique=True),
    Column("name", String(200)),
    Column("role", Word, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("password_hash", Exact, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("refresh_id", Id, nullable=False),
    Column("previous_refresh_id", Id),
    Column("created_at", UtcDateTime, nullable=False),
    Column("rotated_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("user_agent", String(255)),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)
