"""What pages call their chats, and the conversation that each is."""

import sqlalchemy as sa
from alembic import op

from app.models import base

revision = "c6e1f4a80b27"
down_revision = "8496a2a71903"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ui_chats",
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("chat_id", base.Exact, nullable=False),
        sa.Column("conversation_id", base.Id, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_ui_chats_user_id_users"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_ui_chats_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "chat_id", name=op.f("pk_ui_chats")),
    )
    op.create_index(op.f("ix_ui_chats_conversation_id"), "ui_chats", ["conversation_id"])


def downgrade() -> None:
    op.drop_table("ui_chats")
