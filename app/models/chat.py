"""Conversations and their messages, a tree each; what people thought of answers; what stands for older turns."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)

from app.models.base import Exact, Hash, Id, LongText, Money, UtcDateTime, Word, metadata

conversations = Table(
    "conversations",
    metadata,
    Column("id", Id, primary_key=True),
    # Null: it was deleted, and is nobody's while it is cleared in parts.
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE")),
    Column("title", String(200), nullable=False),
    Column("model", Exact, nullable=False),
    # Whether a request named the model: only then does it hold for the next message too.
    Column("model_given", Boolean, nullable=False),
    Column("system_prompt", LongText),
    # The message in which the active path ends; null while nothing was said.
    Column("leaf_id", Id),
    # Of the rules by which its search entries were made; 0: none were made yet.
    Column("terms_version", Integer, nullable=False, server_default="0"),
    # SHA-256 of the file that it was imported from, so that a second import finds the first.
    Column("import_hash", Hash),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "user_id", "updated_at", "id"),
    Index(None, "updated_at"),
    Index(None, "terms_version", "id"),
    UniqueConstraint("user_id", "import_hash"),
)

# What a user's page calls a conversation. A table of its own: an older version begins conversations, too, and must not
# have to keep names apart.
ui_chats = Table(
    "ui_chats",
    metadata,
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("chat_id", Exact, primary_key=True),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Index(None, "conversation_id"),
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
    # The tree is made of branches, each named by its first message: an only child that is last in its parent's branch
    # joins that, any other child begins one. So a page of a path is a range of an index, however long the path.
    Column("branch_id", Id, nullable=False),
    Column("role", Word, nullable=False),
    Column("content", LongText, nullable=False),
    # What a model thought before its answer, as JSON: blocks with their vendor's signatures.
    Column("reasoning", LongText),
    # What an answer was given to answer from, as JSON: the payload of its `sources` event.
    Column("sources", LongText),
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
    Index(None, "branch_id", "position"),
    Index(None, "conversation_id", "parent_id"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("message_id", Id, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    # 1 or -1
    Column("rating", SmallInteger, nullable=False),
    Column("comment", LongText),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "user_id", "message_id"),
    Index(None, "conversation_id"),
)

# What stands, in prompts, for the turns of a path up to one message, once a model could not hold them all.
compactions = Table(
    "compactions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    # The last message that it stands for, and where that is.
    Column("message_id", Id, nullable=False),
    Column("branch_id", Id, nullable=False),
    Column("position", Integer, nullable=False),
    # About how many tokens those turns took.
    Column("tokens", BigInteger, nullable=False),
    # Null: no model was there to summarise them; they are left out.
    Column("summary", LongText),
    Column("model", Exact),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "conversation_id", "position"),
)
