"""What users have uploaded."""

import sqlalchemy as sa
from alembic import op

from app.models import base

revision = "e7a3c52f90d4"
down_revision = "b41d09c6e2f8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("blob_id", base.Id, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", base.Hash, nullable=False),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_files_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sa.UniqueConstraint("user_id", "sha256", name=op.f("uq_files_user_id_sha256")),
    )
    op.create_index(op.f("ix_files_user_id_created_at_id"), "files", ["user_id", "created_at", "id"])
    op.create_index(op.f("ix_files_blob_id"), "files", ["blob_id"])


def downgrade() -> None:
    op.drop_table("files")
