"""What the release command does to a server database, as it goes before each new version."""

import asyncio
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from sqlalchemy import text

from app.migrations import shipped
from tests.accounts.behind import alter
from tests.backend import Process

FLY = tomllib.loads((Path(__file__).parents[2] / "fly.toml").read_text(encoding="utf-8"))
COMMAND = shlex.split(FLY["deploy"]["release_command"])[1:]

on_a_server = pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])


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
    async with asyncio.timeout(120):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


def files(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


@on_a_server
async def test_an_empty_database_gets_the_schema(database_kind: str, empty_database_url: str, tmp_path: Path) -> None:
    for _ in range(2):  # the second finds nothing to do
        assert await release(tmp_path, empty_database_url) == (0, f"The schema is at {shipped().head}.\n")


@on_a_server
async def test_of_two_release_machines_one_migrates_and_the_other_waits(
    database_kind: str, empty_database_url: str, tmp_path: Path
) -> None:
    expected = (0, f"The schema is at {shipped().head}.\n")
    assert await asyncio.gather(*(release(tmp_path, empty_database_url) for _ in range(2))) == [expected] * 2


@on_a_server
async def test_a_release_that_is_taken_back_leaves_the_newer_schema(
    database_kind: str, database_url: str, tmp_path: Path
) -> None:
    await alter(database_url, text("UPDATE alembic_version SET version_num = 'of_a_newer_one'"))

    code, said = await release(tmp_path, database_url)

    assert (code, "newer version" in said) == (0, True)


@pytest.mark.parametrize("address", ["postgres://{}?sslmode=disable", "mysql://{}?ssl-mode=DISABLED", "mariadb://{}"])
async def test_a_database_that_is_away_stops_the_release_in_one_line(address: str, tmp_path: Path) -> None:
    code, said = await release(tmp_path, address.format("app:canary@127.0.0.1:1/app"))

    (line,) = said.splitlines()
    assert code == 2
    assert line.startswith("DATABASE_URL: ")
    assert "canary" not in line


async def test_a_file_is_passed_over_and_not_made(tmp_path: Path) -> None:
    code, said = await release(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/data/app.db")

    assert (code, "SQLite" in said) == (0, True)
    assert not files(tmp_path)
