"""Conversations as trees of branches, the terms that search finds them by, feedback, compactions, imports."""

from itertools import groupby

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.models import base

revision = "b41d09c6e2f8"
down_revision = "8c2e41f7b690"
branch_labels = None
depends_on = None

_CONVERSATIONS = sa.table("conversations", sa.column("id"), sa.column("leaf_id"))
_MESSAGES = sa.table(
    "messages",
    sa.column("id"),
    sa.column("conversation_id"),
    sa.column("parent_id"),
    sa.column("position"),
    sa.column("branch_id"),
)
_AT_ONCE = 500
"""Conversations."""

_FULL_TEXT = ["CREATE FULLTEXT INDEX ix_search_entries_terms ON search_entries (terms)"]
_SEARCHABLE = {
    # The index keeps the terms, and the rows that a search goes through stay short: a common word is found in half the
    # time. A row's terms never change.
    "sqlite": [
        "CREATE VIRTUAL TABLE search_index USING fts5 (terms, detail=none, columnsize=0, tokenize=ascii)",
        # It merges what was written less often than it would by itself: a quarter less work for a message.
        "INSERT INTO search_index (search_index, rank) VALUES ('automerge', 8)",
        "CREATE TRIGGER search_entries_added AFTER INSERT ON search_entries BEGIN"
        " INSERT INTO search_index (rowid, terms) VALUES (NEW.number, NEW.terms);"
        " UPDATE search_entries SET terms = '' WHERE number = NEW.number;"
        " END",
        "CREATE TRIGGER search_entries_dropped AFTER DELETE ON search_entries BEGIN"
        " DELETE FROM search_index WHERE rowid = OLD.number;"
        " END",
    ],
    # Without the list of what is not yet merged, which every search would read through.
    "postgresql": ["CREATE INDEX ix_search_entries_terms ON search_entries USING gin (terms) WITH (fastupdate = off)"],
    "mysql": _FULL_TEXT,
    "mariadb": _FULL_TEXT,
}


def upgrade() -> None:
    op.add_column("conversations", sa.Column("leaf_id", base.Id))
    op.add_column("conversations", sa.Column("terms_version", sa.Integer(), server_default="0", nullable=False))
    op.add_column("conversations", sa.Column("import_hash", base.Hash))
    op.add_column("messages", sa.Column("branch_id", base.Id))
    _find_branches()
    with op.batch_alter_table("conversations") as batch:
        batch.alter_column("user_id", existing_type=base.Id, nullable=True)
        batch.create_unique_constraint(op.f("uq_conversations_user_id_import_hash"), ["user_id", "import_hash"])
    op.create_index(op.f("ix_conversations_updated_at"), "conversations", ["updated_at"])
    op.create_index(op.f("ix_conversations_terms_version_id"), "conversations", ["terms_version", "id"])
    with op.batch_alter_table("messages") as batch:
        batch.alter_column("branch_id", existing_type=base.Id, nullable=False)
    op.create_index(op.f("ix_messages_branch_id_position"), "messages", ["branch_id", "position"])
    op.create_index(op.f("ix_messages_conversation_id_parent_id"), "messages", ["conversation_id", "parent_id"])
    op.create_table(
        "feedback",
        sa.Column("message_id", base.Id, nullable=False),
        sa.Column("conversation_id", base.Id, nullable=False),
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("rating", sa.SmallInteger(), nullable=False),
        sa.Column("comment", base.LongText),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_feedback_message_id_messages"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_feedback_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_feedback_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_feedback")),
    )
    op.create_index(op.f("ix_feedback_user_id_message_id"), "feedback", ["user_id", "message_id"])
    op.create_index(op.f("ix_feedback_conversation_id"), "feedback", ["conversation_id"])
    op.create_table(
        "compactions",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("conversation_id", base.Id, nullable=False),
        sa.Column("message_id", base.Id, nullable=False),
        sa.Column("branch_id", base.Id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("summary", base.LongText),
        sa.Column("model", base.Exact),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_compactions_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compactions")),
    )
    op.create_index(op.f("ix_compactions_conversation_id_position"), "compactions", ["conversation_id", "position"])
    op.create_table(
        "search_entries",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("conversation_id", base.Id, nullable=False),
        sa.Column("message_id", base.Id),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("terms", base.LongText.with_variant(postgresql.TSVECTOR(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_search_entries_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_search_entries")),
    )
    op.create_index(
        op.f("ix_search_entries_conversation_id_message_id"), "search_entries", ["conversation_id", "message_id"]
    )
    for statement in _SEARCHABLE[op.get_context().dialect.name]:
        op.execute(statement)
    with op.batch_alter_table("usage_records") as batch:
        batch.add_column(sa.Column("purpose", base.Word, server_default="answer", nullable=False))
        batch.drop_constraint(op.f("uq_usage_records_generation_id_attempt"), type_="unique")
        batch.create_unique_constraint(
            op.f("uq_usage_records_generation_id_purpose_attempt"), ["generation_id", "purpose", "attempt"]
        )


def downgrade() -> None:
    op.execute("DELETE FROM usage_records WHERE purpose <> 'answer'")
    with op.batch_alter_table("usage_records") as batch:
        batch.drop_constraint(op.f("uq_usage_records_generation_id_purpose_attempt"), type_="unique")
        batch.create_unique_constraint(op.f("uq_usage_records_generation_id_attempt"), ["generation_id", "attempt"])
        batch.drop_column("purpose")
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TABLE search_index")
    op.drop_table("search_entries")
    op.drop_table("compactions")
    op.drop_table("feedback")
    op.drop_index(op.f("ix_messages_conversation_id_parent_id"), "messages")
    op.drop_index(op.f("ix_messages_branch_id_position"), "messages")
    with op.batch_alter_table("messages") as batch:
        batch.drop_column("branch_id")
    op.drop_index(op.f("ix_conversations_terms_version_id"), "conversations")
    op.drop_index(op.f("ix_conversations_updated_at"), "conversations")
    op.execute("DELETE FROM messages WHERE conversation_id IN (SELECT id FROM conversations WHERE user_id IS NULL)")
    op.execute("DELETE FROM generations WHERE conversation_id IN (SELECT id FROM conversations WHERE user_id IS NULL)")
    op.execute("DELETE FROM conversations WHERE user_id IS NULL")
    with op.batch_alter_table("conversations") as batch:
        batch.alter_column("user_id", existing_type=base.Id, nullable=False)
        batch.drop_constraint(op.f("uq_conversations_user_id_import_hash"), type_="unique")
        batch.drop_column("import_hash")
        batch.drop_column("terms_version")
        batch.drop_column("leaf_id")


def _find_branches() -> None:
    connection = op.get_bind()
    after = ""
    while ids := list(
        connection.scalars(
            sa.select(_CONVERSATIONS.c.id)
            .where(_CONVERSATIONS.c.id > after)
            .order_by(_CONVERSATIONS.c.id)
            .limit(_AT_ONCE)
        )
    ):
        after = ids[-1]
        rows = connection.execute(
            sa.select(_MESSAGES.c.conversation_id, _MESSAGES.c.id, _MESSAGES.c.parent_id)
            .where(_MESSAGES.c.conversation_id.in_(ids))
            .order_by(_MESSAGES.c.conversation_id, _MESSAGES.c.position)
        )
        for conversation_id, messages in groupby(rows, key=lambda row: row.conversation_id):
            branches = _branches([(row.id, row.parent_id) for row in messages])
            connection.execute(
                sa.update(_MESSAGES)
                .where(_MESSAGES.c.id == sa.bindparam("message"))
                .values(branch_id=sa.bindparam("branch")),
                [{"message": message, "branch": branch} for message, branch in branches.items()],
            )
            connection.execute(
                sa.update(_CONVERSATIONS).where(_CONVERSATIONS.c.id == conversation_id).values(leaf_id=[*branches][-1])
            )


def _branches(messages: list[tuple[str, str | None]]) -> dict[str, str]:
    """The branch of each message of a conversation, in the order in which they came."""
    branches: dict[str, str] = {}
    ends: dict[str, str] = {}
    for message, parent in messages:
        branch = branches.get(parent) if parent is not None else None
        if branch is None or ends[branch] != parent:
            branch = message
        branches[message] = branch
        ends[branch] = message
    return branches
