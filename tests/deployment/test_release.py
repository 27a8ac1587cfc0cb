"""What the release command does to a server database, as it goes before each new version."""

import asyncio
import shlex
import sys
import tomllib
from pathlib import Path

import asyncpg
import pytest

from app.database import database_url as parse_url
from app.migrations import shipped
from tests.backend import Process

FLY = tomllib.loads((Path(__file__).parents[2] / "fly.toml").read_text(encoding="utf-8"))
COMMAND = shlex.split(FLY["deploy"]["release_command"])[1:]

on_a_server = pytest.mark.parametrize("database_kind", ["postgresql"])


async def release(folder: Path, database_url: str) -> tuple[int | None, str]:
    """Its exit code, and all that it printed; nothing may be written."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *COMMAND,
        cwd=folder,
        env=Process(folder, database_url).environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


def files(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def execute(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(parse_url(database_url).set(drivername="postgresql").render_as_string(False))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@on_a_server
async def test_an_empty_database_gets_the_schema(database_kind: str, database_url: str, tmp_path: Path) -> None:
    await execute(database_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    for _ in range(2):  # the second finds nothing to do
        assert await release(tmp_path, database_url) == (0, f"The schema is at {shipped().head}.\n")


@on_a_server
async def test_a_release_that_is_taken_back_leaves_the_newer_schema(
    database_kind: str, database_url: str, tmp_path: Path
) -> None:
    await execute(database_url, "UPDATE alembic_version SET version_num = 'of_a_newer_one'")

    code, said = await release(tmp_path, database_url)

    assert (code, "newer version" in said) == (0, True)


async def test_a_database_that_is_away_stops_the_release_in_one_line(tmp_path: Path) -> None:
    code, said = await release(tmp_path, "postgres://app:canary@127.0.0.1:1/app?sslmode=disable")

    (line,) = said.splitlines()
    assert code == 2
    assert line.startswith("DATABASE_URL: ")
    assert "canary" not in line


async def test_a_file_is_passed_over_and_not_made(tmp_path: Path) -> None:
    code, said = await release(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/data/app.db")

    assert (code, "SQLite" in said) == (0, True)
    assert not files(tmp_path)
