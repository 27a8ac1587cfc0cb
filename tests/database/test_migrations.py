"""The schema of the migrations is that of the models; on each database it comes up from nothing and goes down again."""

import asyncio
from datetime import UTC, datetime
from random import Random
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from app import migrations
from app.core.config import StartRefused
from app.database import database_url as parse_url
from app.domain.trees import branches
from app.models.chat import conversations, messages
from app.models.identity import users
from tests.accounts.behind import alter, rows

BEFORE_TREES = "8c2e41f7b690"

on_mariadb = pytest.mark.parametrize("database_kind", ["mariadb"])


async def up(url: str) -> None:
    await migrations.migrate(parse_url(url))


async def down(url: str, revision: str = "base") -> None:
    await asyncio.to_thread(command.downgrade, migrations._config(parse_url(url)), revision)


async def check(url: str) -> None:
    """As `alembic check`: raises where the models would have other tables."""
    await asyncio.to_thread(command.check, migrations._config(parse_url(url)))


async def left(url: str) -> set[str]:
    engine = create_async_engine(parse_url(url))
    async with engine.connect() as connection:
        found = await connection.run_sync(_things)
    await engine.dispose()
    return found


def _things(connection: Connection) -> set[str]:
    looked = inspect(connection)
    things = {*looked.get_table_names(), *looked.get_view_names()}
    if connection.dialect.name == "postgresql":
        things |= {*looked.get_sequence_names()}
        functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        things |= {*connection.scalars(text(functions))}
    return things


async def test_up_from_nothing_it_is_what_the_models_say_and_down_nothing_is_left(empty_database_url: str) -> None:
    for _ in range(2):
        await up(empty_database_url)
        await check(empty_database_url)
        assert len(await left(empty_database_url)) > 10
        await down(empty_database_url)
        assert await left(empty_database_url) == {"alembic_version"}
        assert await rows(empty_database_url, text("SELECT * FROM alembic_version")) == []


async def test_what_was_said_gets_its_branches_and_is_still_there_after_a_step_back(empty_database_url: str) -> None:
    await up(empty_database_url)
    trees = await _store_trees(empty_database_url)
    for _ in range(2):
        await down(empty_database_url, BEFORE_TREES)
        assert len(await rows(empty_database_url, text("SELECT id FROM messages"))) == sum(map(len, trees.values()))
        await up(empty_database_url)
        await check(empty_database_url)
        for id_, parents in trees.items():
            found = await rows(empty_database_url, select(messages).where(messages.c.conversation_id == id_))
            assert {row["id"]: row["branch_id"] for row in found} == branches(parents)
            [talk] = await rows(empty_database_url, select(conversations).where(conversations.c.id == id_))
            assert talk["leaf_id"] == next(reversed(parents), None)
            assert (talk["terms_version"], talk["import_hash"]) == (0, None)
    hidden = select(conversations).where(conversations.c.user_id.is_(None))
    assert await rows(empty_database_url, hidden) == []


async def _store_trees(url: str) -> dict[str, dict[str, str | None]]:
    """Conversations that fork in every way, the parents of whose messages are answered; and one that was deleted."""
    chance = Random(3)  # noqa: S311
    moment = datetime.now(UTC)
    user = {"id": str(uuid4()), "email": "a@example.com", "role": "user", "is_active": True, "password_hash": "x"}
    head = {"title": "标题", "model": "m", "model_given": False, "created_at": moment, "updated_at": moment}
    trees: dict[str, dict[str, str | None]] = {}
    for size in (0, 1, 40, 600):
        ids = [str(uuid4()) for _ in range(size)]
        trees[str(uuid4())] = {each: chance.choice([None, *ids[max(at - 3, 0) : at]]) for at, each in enumerate(ids)}
    told = [
        {
            "id": id_,
            "conversation_id": conversation_id,
            "parent_id": parent_id,
            "position": position,
            "branch_id": "?",
            "role": "user",
            "content": "你好",
            "status": "complete",
            "created_at": moment,
        }
        for conversation_id, parents in trees.items()
        for position, (id_, parent_id) in enumerate(parents.items(), start=1)
    ]
    deleted = {"id": str(uuid4()), "user_id": None, **head}
    await alter(
        url,
        insert(users).values(**user, created_at=moment),
        insert(conversations).values([{"id": id_, "user_id": user["id"], **head} for id_ in trees] + [deleted]),
        *(insert(messages).values(told[start : start + 500]) for start in range(0, len(told), 500)),
        insert(messages).values({**told[0], "id": str(uuid4()), "conversation_id": deleted["id"]}),
    )
    return trees


@on_mariadb
async def test_a_migration_that_cannot_go_on_says_what_to_do(database_kind: str, empty_database_url: str) -> None:
    """MariaDB commits at each change of a table, so what an interrupted migration has made is still there."""
    await alter(empty_database_url, text("CREATE TABLE messages (id INT)"))
    with pytest.raises(StartRefused, match=r"Table 'messages' already exists.*restore the database") as refused:
        await up(empty_database_url)
    assert len(str(refused.value).splitlines()) == 1
    await alter(empty_database_url, text("DROP TABLE messages, conversations, sessions, users"))
    await up(empty_database_url)


@on_mariadb
async def test_texts_are_compared_exactly_whatever_the_server_is_set_to(
    database_kind: str, empty_database_url: str
) -> None:
    await up(empty_database_url)
    columns = await rows(
        empty_database_url,
        text(
            "SELECT table_name, column_name, collation_name AS collation FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND collation_name IS NOT NULL"
        ),
    )
    assert len(columns) > 50
    exact = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")  # MariaDB's and MySQL's; neither has the other
    assert [column for column in columns if column["collation"] not in exact] == []
