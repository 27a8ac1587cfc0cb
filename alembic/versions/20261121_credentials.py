"""API keys, tickets, where a session comes from, the audit trail; idempotency keys of more than generations."""

import sqlalchemy as sa
from alembic import op

from app.models import base

revision = "8c2e41f7b690"
down_revision = "5d3b8e0c4a72"
branch_labels = None
depends_on = None

# Not even our own code changes or removes what is on record. A table takes its triggers with it when it goes.
_SQLITE = (
    "CREATE TRIGGER audit_events_no_{name} BEFORE {event} ON audit_events "
    "BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END"
)
# REPLACE removes a row without telling the triggers of a DELETE.
_SQLITE_REPLACE = (
    "CREATE TRIGGER audit_events_no_replace BEFORE INSERT ON audit_events "
    "WHEN EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id) "
    "BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END"
)
_MARIADB = (
    "CREATE TRIGGER audit_events_no_{name} BEFORE {event} ON audit_events FOR EACH ROW "
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'audit_events is append-only'"
)
_EVENTS = ("UPDATE", "DELETE")
APPEND_ONLY = {
    "sqlite": [*(_SQLITE.format(name=event.lower(), event=event) for event in _EVENTS), _SQLITE_REPLACE],
    "postgresql": [
        "CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'audit_events is append-only'; END $$",
        "CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_events_append_only()",
    ],
    "mysql": [_MARIADB.format(name=event.lower(), event=event) for event in _EVENTS],
}
APPEND_ONLY["mariadb"] = APPEND_ONLY["mysql"]


def upgrade() -> None:
    op.create_index(op.f("ix_users_created_at_id"), "users", ["created_at", "id"])
    op.add_column("sessions", sa.Column("address", sa.String(length=45)))
    with op.batch_alter_table("idempotency_records") as batch:
        batch.alter_column(
            "generation_id", new_column_name="outcome_id", existing_type=base.Id, existing_nullable=False
        )
    op.create_table(
        "api_keys",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("prefix", base.Word, nullable=False),
        sa.Column("key_hash", base.Hash, nullable=False),
        sa.Column("scopes", base.LongText),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.Column("expires_at", base.UtcDateTime()),
        sa.Column("last_used_at", base.UtcDateTime()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_index(op.f("ix_api_keys_user_id"), "api_keys", ["user_id"])
    op.create_table(
        "tickets",
        sa.Column("ticket_hash", base.Hash, nullable=False),
        sa.Column("user_id", base.Id, nullable=False),
        sa.Column("session_id", base.Id),
        sa.Column("api_key_id", base.Id),
        sa.Column("generation_id", base.Id),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tickets_user_id_users"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_tickets_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_keys.id"], name=op.f("fk_tickets_api_key_id_api_keys"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ticket_hash", name=op.f("pk_tickets")),
    )
    for column in ("user_id", "session_id", "api_key_id", "created_at"):
        op.create_index(op.f(f"ix_tickets_{column}"), "tickets", [column])
    op.create_table(
        "audit_events",
        sa.Column("id", base.Id, nullable=False),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.Column("action", base.Word, nullable=False),
        sa.Column("actor", base.Word, nullable=False),
        sa.Column("actor_id", base.Id),
        sa.Column("credential_id", base.Id),
        sa.Column("target_id", base.Id),
        sa.Column("address", sa.String(length=45)),
        sa.Column("request_id", sa.String(length=128)),
        sa.Column("detail", base.LongText, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index(op.f("ix_audit_events_created_at_id"), "audit_events", ["created_at", "id"])
    for column in ("action", "actor_id", "target_id", "address", "request_id"):
        op.create_index(op.f(f"ix_audit_events_{column}_created_at_id"), "audit_events", [column, "created_at", "id"])
    for statement in APPEND_ONLY[op.get_context().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("audit_events")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_events_append_only()")
    op.drop_table("tickets")
    op.drop_table("api_keys")
    with op.batch_alter_table("idempotency_records") as batch:
        batch.alter_column(
            "outcome_id", new_column_name="generation_id", existing_type=base.Id, existing_nullable=False
        )
    with op.batch_alter_table("sessions") as batch:
        batch.drop_column("address")
    op.drop_index(op.f("ix_users_created_at_id"), "users")
