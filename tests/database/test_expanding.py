"""Old and new version run side by side while one replaces the other: a migration adds, and takes away only later."""

from pathlib import Path

import pytest

from app.migrations import shipped
from tests.database.expanding import SCRIPTS, plant, steps

FIRST_RELEASE = "b41d09c6e2f8"
"""What was migrated up to here was never deployed beside an older version."""

HEAD = str(shipped().head)

on_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"])

EXPANDING = """
from app.models import base

def upgrade() -> None:
    op.add_column("messages", sa.Column("mood", sa.String(40)))
    op.add_column("users", sa.Column("visits", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "badges",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("user_id", base.Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, unique=True),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("note", sa.String(40)),
    )
    op.create_index("ix_badges_name", "badges", ["name"], unique=True)
    with op.batch_alter_table("badges") as batch:
        batch.alter_column("note", existing_type=sa.String(40), type_=sa.Text(), nullable=False)
    op.create_index("ix_messages_mood", "messages", ["mood"])
    with op.batch_alter_table("conversations") as batch:
        batch.alter_column("title", existing_type=sa.String(200), nullable=True)
    op.execute("UPDATE users SET visits = 1")
"""

BREAKING = {
    "a table is dropped": 'op.drop_table("feedback")',
    "a column is dropped": 'op.drop_column("messages", "reasoning")',
    "a column is renamed": 'op.alter_column("messages", "content", new_column_name="text")',
    "a table is renamed": 'op.rename_table("messages", "words")',
    "a type is changed": 'op.alter_column("conversations", "title", type_=sa.Text())',
    "a column has to be given from now on": 'op.alter_column("users", "name", nullable=False)',
    "a new column has to be given": 'op.add_column("messages", sa.Column("mood", sa.String(40), nullable=False))',
    "a default is dropped": 'op.alter_column("conversations", "terms_version", server_default=None)',
    "values have to differ": 'op.create_unique_constraint("uq_users_name", "users", ["name"])',
    "values have to differ by an index": 'op.create_index("ix_users_name", "users", ["name"], unique=True)',
    "values are checked": 'op.create_check_constraint("ck_users_name", "users", "length(name) < 9")',
    "a constraint is dropped": 'op.drop_constraint("uq_conversations_user_id_import_hash", "conversations")',
    "an index is dropped": 'op.drop_index("ix_conversations_updated_at")',
    "in words of SQL": 'op.execute("alter table messages\\n  drop column reasoning")',
    "users can be deleted no more": (
        'op.create_table("badges", sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True))'
    ),
}


def migration(line: str, head: str = "") -> str:
    return f"{head}\ndef upgrade() -> None:\n    {line}\n"


@on_postgresql
async def test_no_migration_takes_anything_from_the_version_before_it(
    database_kind: str, empty_database_url: str
) -> None:
    every = await steps(empty_database_url, SCRIPTS, "base")

    assert FIRST_RELEASE in [step.revision for step in every]
    for step in every:
        if FIRST_RELEASE in step.earlier:
            assert step.refused == [], step.revision


@on_postgresql
async def test_what_only_adds_is_fine(database_kind: str, database_url: str, tmp_path: Path) -> None:
    (step,) = await steps(database_url, plant(tmp_path, EXPANDING, after=HEAD), HEAD)

    assert len(step.statements) >= 8
    assert step.refused == []


@on_postgresql
@pytest.mark.parametrize("what", BREAKING)
async def test_what_an_older_version_could_not_live_with_is_found(
    what: str, database_kind: str, database_url: str, tmp_path: Path
) -> None:
    (step,) = await steps(database_url, plant(tmp_path, migration(BREAKING[what]), after=HEAD), HEAD)

    assert len(step.refused) == 1, step.statements


@on_postgresql
async def test_what_an_earlier_migration_stopped_using_may_be_taken_away(
    database_kind: str, database_url: str, tmp_path: Path
) -> None:
    line = BREAKING["a column is dropped"]
    contracting = [migration(line, f'contracts = "{named}"') for named in ("planted_1", "of_nobody", "planted_4")]
    columns = ("reasoning", "model", "status")
    each_its_own = [body.replace("reasoning", column) for body, column in zip(contracting, columns, strict=True)]
    scripts = plant(tmp_path, migration("pass"), *each_its_own, after=HEAD)

    _, contracts, names_nobody, names_itself = await steps(database_url, scripts, HEAD)

    assert contracts.breaking
    assert contracts.refused == []
    assert "of_nobody" in names_nobody.refused[0]
    assert "planted_4" in names_itself.refused[0]
