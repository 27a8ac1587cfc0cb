"""Documents, their chunks, the jobs that read them, the outbox of the index; files and sources of messages."""

import sqlalchemy as sa
from alembic import op

from app.models import base

revision = "8496a2a71903"
down_revision = "e7a3c52f90d4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "duties",
        sa.Column("name", base.Exact, nullable=False),
        sa.Column("owner_id", base.Id, nullable=False),
        sa.Column("expires_at", base.Seconds, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_duties")),
    )
    op.create_table(
        "index_changes",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("space", base.Exact, nullable=False),
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("document_id", base.Id, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_index_changes")),
    )
    op.create_index(op.f("ix_index_changes_space_id"), "index_changes", ["space", "id"])

    op.create_table(
        "index_spaces",
        sa.Column("name", base.Exact, nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("filled_to", base.Id, nullable=True),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_index_spaces")),
    )
    op.create_table(
        "collections",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("user_id", base.Id, nullable=True),
        sa.Column("name", base.Exact, nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=True),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_collections_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_collections_user_id_name")),
    )
    op.create_index(op.f("ix_collections_user_id_created_at_id"), "collections", ["user_id", "created_at", "id"])

    op.create_table(
        "documents",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("user_id", base.Id, nullable=True),
        sa.Column("collection_id", base.Id, nullable=True),
        sa.Column("file_id", base.Id, nullable=True),
        sa.Column("title", sa.String(length=500), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("status", base.Word, nullable=False),
        sa.Column("failure_code", base.Word, nullable=True),
        sa.Column("failure_detail", sa.String(length=500), nullable=True),
        sa.Column("page_count", sa.Integer(), nullable=True),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("characters", sa.BigInteger(), nullable=False),
        sa.Column("packing", sa.Integer(), nullable=False),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.Column("updated_at", base.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_documents_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name=op.f("fk_documents_file_id_files"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_documents_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("collection_id", "sha256", name=op.f("uq_documents_collection_id_sha256")),
    )
    op.create_index(
        op.f("ix_documents_collection_id_created_at_id"), "documents", ["collection_id", "created_at", "id"]
    )
    op.create_index(op.f("ix_documents_file_id"), "documents", ["file_id"])
    op.create_index(op.f("ix_documents_user_id_id"), "documents", ["user_id", "id"])

    op.create_table(
        "chunks",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("document_id", base.Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("start_at", sa.Integer(), nullable=False),
        sa.Column("end_at", sa.Integer(), nullable=False),
        sa.Column("text", base.LongText, nullable=False),
        sa.Column("headings", base.LongText, nullable=False),
        sa.Column("header", base.LongText, nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_chunks_document_id_documents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunks")),
        sa.UniqueConstraint("document_id", "number", name=op.f("uq_chunks_document_id_number")),
    )
    op.create_table(
        "document_pages",
        sa.Column("document_id", base.Id, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", base.LongText, nullable=False),
        sa.Column("blocks", base.LongText, nullable=False),
        sa.Column("flaw", base.Word, nullable=True),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_document_pages_document_id_documents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_id", "number", name=op.f("pk_document_pages")),
    )
    op.create_index(
        op.f("ix_document_pages_document_id_flaw_number"), "document_pages", ["document_id", "flaw", "number"]
    )
    op.create_table(
        "jobs",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("document_id", base.Id, nullable=False),
        sa.Column("status", base.Word, nullable=False),
        sa.Column("stage", base.Word, nullable=False),
        sa.Column("owner_id", base.Id, nullable=True),
        sa.Column("expires_at", base.Seconds, nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("pages_done", sa.Integer(), nullable=False),
        sa.Column("page_count", sa.Integer(), nullable=True),
        sa.Column("failure_code", base.Word, nullable=True),
        sa.Column("failure_detail", sa.String(length=500), nullable=True),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.Column("updated_at", base.UtcDateTime(), nullable=False),
        sa.Column("ended_at", base.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_jobs_document_id_documents"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_jobs_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("document_id", name=op.f("uq_jobs_document_id")),
    )
    op.create_index(op.f("ix_jobs_status_created_at_id"), "jobs", ["status", "created_at", "id"])
    op.create_index(op.f("ix_jobs_user_id_status"), "jobs", ["user_id", "status"])

    op.create_table(
        "message_files",
        sa.Column("message_id", base.Id, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("conversation_id", base.Id, nullable=False),
        sa.Column("file_id", base.Id, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_message_files_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_message_files_message_id_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", "position", name=op.f("pk_message_files")),
    )
    op.create_index(op.f("ix_message_files_conversation_id"), "message_files", ["conversation_id"])

    op.add_column("files", sa.Column("uploaded", sa.Boolean(), server_default=sa.true(), nullable=False))

    op.add_column("messages", sa.Column("sources", base.LongText, nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "sources")
    op.drop_column("files", "uploaded")
    for table in (
        "message_files",
        "jobs",
        "document_pages",
        "chunks",
        "documents",
        "collections",
        "index_spaces",
        "index_changes",
        "duties",
    ):
        op.drop_table(table)
