"""The first schema."""

import sqlalchemy as sa
from alembic import op

from app.models import base

revision = "0f1c5a7e9d21"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("email", base.Exact, nullable=False),
        sa.Column("name", sa.String(length=200)),
        sa.Column("role", base.Word, nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("password_hash", base.Exact, nullable=False),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )

    op.create_table(
        "sessions",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("refresh_id", base.Id, nullable=False),
        sa.Column("previous_refresh_id", base.Id),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.Column("rotated_at", base.UtcDateTime(), nullable=False),
        sa.Column("expires_at", base.UtcDateTime(), nullable=False),
        sa.Column("user_agent", sa.String(length=255)),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])

    op.create_table(
        "conversations",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("model", base.Exact, nullable=False),
        sa.Column("model_given", sa.Boolean(), nullable=False),
        sa.Column("system_prompt", base.LongText),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.Column("updated_at", base.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_conversations_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
    )
    op.create_index(
        op.f("ix_conversations_user_id_updated_at_id"),
        "conversations",
        ["user_id", "updated_at", "id"],
    )

    op.create_table(
        "messages",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("conversation_id", base.Id, nullable=False),
        sa.Column("parent_id", base.Id),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", base.Word, nullable=False),
        sa.Column("content", base.LongText, nullable=False),
        sa.Column("status", base.Word, nullable=False),
        sa.Column("model", base.Exact),
        sa.Column("generation_id", base.Id),
        sa.Column("input_tokens", sa.BigInteger()),
        sa.Column("output_tokens", sa.BigInteger()),
        sa.Column("cost", base.Money()),
        sa.Column("failure_code", base.Word),
        sa.Column("failure_detail", sa.String(length=500)),
        sa.Column("failure_retryable", sa.Boolean()),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_messages_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("conversation_id", "position", name=op.f("uq_messages_conversation_id_position")),
    )

    op.create_table(
        "generations",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("conversation_id", base.Id, nullable=False),
        sa.Column("live_conversation_id", base.Id),
        sa.Column("message_id", base.Id, nullable=False),
        sa.Column("status", base.Word, nullable=False),
        sa.Column("owner_id", base.Id, nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("model", base.Exact, nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("stop_requested", sa.Boolean(), nullable=False),
        sa.Column("failure_code", base.Word),
        sa.Column("failure_detail", sa.String(length=500)),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.Column("ended_at", base.UtcDateTime()),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_generations_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_generations_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generations")),
        sa.UniqueConstraint("live_conversation_id", name=op.f("uq_generations_live_conversation_id")),
    )
    op.create_index(op.f("ix_generations_conversation_id"), "generations", ["conversation_id"])
    op.create_index(op.f("ix_generations_status_owner_id"), "generations", ["status", "owner_id"])
    op.create_index(op.f("ix_generations_user_id"), "generations", ["user_id"])

    op.create_table(
        "generation_checkpoints",
        sa.Column("generation_id", base.Id, nullable=False),
        sa.Column("first_seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("events", base.LongBytes, nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"],
            ["generations.id"],
            name=op.f("fk_generation_checkpoints_generation_id_generations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("generation_id", "first_seq", name=op.f("pk_generation_checkpoints")),
    )

    op.create_table(
        "generation_logs",
        sa.Column("generation_id", base.Id, nullable=False),
        sa.Column("events", base.LongBytes, nullable=False),
        sa.Column("expires_at", base.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"],
            ["generations.id"],
            name=op.f("fk_generation_logs_generation_id_generations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("generation_id", name=op.f("pk_generation_logs")),
    )
    op.create_index(op.f("ix_generation_logs_expires_at"), "generation_logs", ["expires_at"])

    op.create_table(
        "idempotency_records",
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("route", base.Exact, nullable=False),
        sa.Column("key", base.Exact, nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("generation_id", base.Id, nullable=False),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_idempotency_records_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "route", "key", name=op.f("pk_idempotency_records")),
    )
    op.create_index(op.f("ix_idempotency_records_created_at"), "idempotency_records", ["created_at"])

    op.create_table(
        "usage_records",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("conversation_id", base.Id),
        sa.Column("generation_id", base.Id, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("provider", base.Word, nullable=False),
        sa.Column("model", base.Exact, nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost", base.Money()),
        sa.Column("outcome", base.Word, nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_records")),
        sa.UniqueConstraint("generation_id", "attempt", name=op.f("uq_usage_records_generation_id_attempt")),
    )
    op.create_index(op.f("ix_usage_records_user_id_created_at"), "usage_records", ["user_id", "created_at"])

    op.create_table(
        "instances",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("expires_at", base.Seconds, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instances")),
    )


def downgrade() -> None:
    op.drop_table("instances")
    op.drop_table("usage_records")
    op.drop_table("idempotency_records")
    op.drop_table("generation_logs")
    op.drop_table("generation_checkpoints")
    op.drop_table("generations")
    op.drop_table("messages")
    op.drop_table("conversations")
    op.drop_table("sessions")
    op.drop_table("users")
