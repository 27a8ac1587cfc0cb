"""Users and their credentials: sign-in sessions, API keys, tickets."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table

from app.models.base import Exact, Hash, Id, LongText, UtcDateTime, Word, metadata

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
    Index(None, "created_at", "id"),
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
    # Where it was last signed in or refreshed from; the longest is an IPv6 address that holds an IPv4 one.
    Column("address", String(45)),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(200), nullable=False),
    # What its owner recognises it by; the rest is kept as a hash alone.
    Column("prefix", Word, nullable=False),
    Column("key_hash", Hash, nullable=False, unique=True),
    # A JSON list; null: all of the owner's but admin.
    Column("scopes", LongText),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Index(None, "user_id"),
)

# What stands for a session or a key in the address of a stream, once.
tickets = Table(
    "tickets",
    metadata,
    Column("ticket_hash", Hash, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("session_id", Id, ForeignKey("sessions.id", ondelete="CASCADE")),
    Column("api_key_id", Id, ForeignKey("api_keys.id", ondelete="CASCADE")),
    # Set by the request that it opens; from then on it is good for that one alone.
    Column("generation_id", Id),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "user_id"),
    Index(None, "session_id"),
    Index(None, "api_key_id"),
    Index(None, "created_at"),
)
