"""What models thought is kept with their answers, and tokens that were written to a vendor's cache are booked."""

import sqlalchemy as sa
from alembic import op

from app.models import base

revision = "5d3b8e0c4a72"
down_revision = "0f1c5a7e9d21"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("reasoning", base.LongText))
    op.add_column("usage_records", sa.Column("cache_write_tokens", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("usage_records") as batch:
        batch.drop_column("cache_write_tokens")
    with op.batch_alter_table("messages") as batch:
        batch.drop_column("reasoning")
