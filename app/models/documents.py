"""Documents, their text and chunks, the jobs that read them, and what the index of chunks has yet to learn."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from app.models.base import Exact, Hash, Id, LongText, Seconds, UtcDateTime, Word, metadata

collections = Table(
    "collections",
    metadata,
    Column("id", Id, primary_key=True),
    # Null: it was deleted, and is nobody's while its documents are cleared in parts.
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE")),
    # Empty: the files that were attached to messages; no list shows it.
    Column("name", Exact, nullable=False),
    Column("description", String(2000)),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("user_id", "name"),
    Index(None, "user_id", "created_at", "id"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", Id, primary_key=True),
    # Null, both: it was deleted, and is cleared in parts.
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE")),
    Column("collection_id", Id, ForeignKey("collections.id", ondelete="CASCADE")),
    Column("file_id", Id, ForeignKey("files.id", ondelete="SET NULL")),
    Column("title", String(500), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("sha256", Hash, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("status", Word, nullable=False),
    Column("failure_code", Word),
    Column("failure_detail", String(500)),
    Column("page_count", Integer),
    Column("chunk_count", Integer, nullable=False),
    Column("characters", BigInteger, nullable=False),
    # Of the rules that made its chunks; 0: there are none.
    Column("packing", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # The same content once more is the same document.
    UniqueConstraint("collection_id", "sha256"),
    Index(None, "collection_id", "created_at", "id"),
    Index(None, "user_id", "id"),
    Index(None, "file_id"),
)

document_pages = Table(
    "document_pages",
    metadata,
    Column("document_id", Id, ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("text", LongText, nullable=False),
    # JSON: what the text is made of, so that chunks can be made anew.
    Column("blocks", LongText, nullable=False),
    # Why there is no text where something is.
    Column("flaw", Word),
    # Who looks how a document stands is told of these pages alone, of 20,000 that are read.
    Index(None, "document_id", "flaw", "number"),
)

chunks = Table(
    "chunks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("document_id", Id, ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("page", Integer, nullable=False),
    # Where in the page's text it begins and ends, in characters.
    Column("start_at", Integer, nullable=False),
    Column("end_at", Integer, nullable=False),
    Column("text", LongText, nullable=False),
    # JSON: the headings that it stands under, the highest first.
    Column("headings", LongText, nullable=False),
    # The header row of the table that it goes on with.
    Column("header", LongText, nullable=False),
    UniqueConstraint("document_id", "number"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("document_id", Id, ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    Column("status", Word, nullable=False),
    # reading, packing, indexing
    Column("stage", Word, nullable=False),
    # Who works on it, until when by the database's clock, and how often that has changed.
    Column("owner_id", Id),
    Column("expires_at", Seconds),
    Column("fence", Integer, nullable=False),
    # How often somebody began; who dies over it again and again is not asked again.
    Column("attempts", Integer, nullable=False),
    Column("pages_done", Integer, nullable=False),
    Column("page_count", Integer),
    Column("failure_code", Word),
    Column("failure_detail", String(500)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    # One document is read by one job, which a retry begins anew.
    UniqueConstraint("document_id"),
    Index(None, "status", "created_at", "id"),
    Index(None, "user_id", "status"),
)

# The outbox of the index: it refers to nothing, for what it is about may be gone.
index_changes = Table(
    "index_changes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("space", Exact, nullable=False),
    Column("user_id", Id, nullable=False),
    # Null: the user is gone, and all that is theirs.
    Column("document_id", Id),
    Index(None, "space", "id"),
)

index_spaces = Table(
    "index_spaces",
    metadata,
    Column("name", Exact, primary_key=True),
    Column("dimensions", Integer),
    # Whether it is the one that is asked.
    Column("current", Boolean, nullable=False),
    # While it is being filled: the last document, by id, whose change was noted. Null: all are.
    Column("filled_to", Id),
    Column("created_at", UtcDateTime, nullable=False),
)

# What only one process may do at a time; by the database's clock.
duties = Table(
    "duties",
    metadata,
    Column("name", Exact, primary_key=True),
    Column("owner_id", Id, nullable=False),
    Column("expires_at", Seconds, nullable=False),
)

message_files = Table(
    "message_files",
    metadata,
    Column("message_id", Id, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    # In the order in which they were attached.
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    # No key: a file may be deleted, and what was said about it stays.
    Column("file_id", Id, nullable=False),
    Column("name", String(255), nullable=False),
    Index(None, "conversation_id"),
)
