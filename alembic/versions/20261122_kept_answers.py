"""What doors answer to requests with an Idempotency-Key, where no conversation keeps it."""

import sqlalchemy as sa
from alembic import op

from app.models import base

revision = "f2b7d95c1e36"
down_revision = "c6e1f4a80b27"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_answers",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("owner_id", base.Id, nullable=False),
        sa.Column("model", base.Exact, nullable=False),
        sa.Column("content", base.LongBytes),
        sa.Column("expires_at", base.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_kept_answers_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kept_answers")),
    )
    op.create_index(op.f("ix_kept_answers_user_id"), "kept_answers", ["user_id"])
    op.create_index(op.f("ix_kept_answers_expires_at"), "kept_answers", ["expires_at"])


def downgrade() -> None:
    op.drop_table("kept_answers")
