"""A smoke test of the load: it runs, all is complete, every figure comes out. No time is judged here."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import readme
from tests.bench.answers import WrongAnswer
from tests.bench.load import Reply
from tests.load import client, room
from tests.load.options import parse
from tests.load.run import BEGIN, DOCUMENTS_BEGIN, DOCUMENTS_END, END

_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
_ONE = b'data: {"text": "~7.1.1000000000 ", "seq": 2}\n\n'
_TWO = b'data: {"text": "~7.2.2000000000 ", "seq": 3}\n\n'


async def test_a_quick_run_brings_every_figure() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.load", "--quick", "--stores", "sqlite"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(600):
        output, errors = (said.decode() for said in await process.communicate())

    assert process.returncode == 0, errors
    tables = [_rows(table) for table in output.split("\n\n") if table.startswith("| **")]
    users, streams, readers, documents, search = tables
    assert len(users) == 6
    assert [row[0] for row in streams] == ["SQLite", "bare relay"]
    assert all(row[1] == "50, 50" for row in streams)
    ((_, _, _, stored, healthy, _),) = readers
    assert (stored, healthy.partition(",")[0]) == ("6", "3")
    assert "| **12 pages (" in output
    assert [row[0] for row in documents] == ["SQLite"]
    assert [row[0] for row in search] == ["English", "Chinese"]
    for row in (*users, *streams, *readers, *documents, *search):
        assert row[-1] == "0"  # errors
        assert any(letter.isdigit() for letter in row[2]), row


def _rows(table: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_what_came_of_a_stream_is_what_was_said_and_when() -> None:
    reply = Reply(0.0, [_HEAD, _ONE + _TWO[:20], _TWO[20:]])

    arrivals = client.streamed(reply, [0.5, 1.5, 2.5])

    assert (arrivals.whose, arrivals.left, arrivals.came) == ("7", [1.0, 2.0], [1.5, 2.5])


@pytest.mark.parametrize("parts", [(_TWO,), (_ONE, _ONE), (_TWO, _ONE), (_ONE, _TWO.replace(b"~7", b"~8")), ()])
def test_a_stream_that_lacks_anything_is_wrong(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(WrongAnswer):
        client.streamed(Reply(0.0, [_HEAD, *parts]), [0.0] * (len(parts) + 1))


def test_a_machine_without_room_is_told_what_to_do() -> None:
    assert room.missing(10) is None
    said = room.missing(10_000_000)
    assert said is not None
    assert "ulimit -n 20000500" in said


def test_only_a_whole_run_is_written() -> None:
    assert parse(["--write"]).write
    assert parse(["--write", "--only", "documents,search"]).write
    for partly in (["--quick"], ["--only", "users"], ["--only", "documents"], ["--streams", "10"], ["--pages", "500"]):
        with pytest.raises(SystemExit):
            parse(["--write", *partly])


def test_a_whole_run_takes_minutes() -> None:
    usual = parse([])

    assert 300 < usual.seconds < 1200
    assert replace(usual, only=("users",)).seconds < usual.seconds


@pytest.mark.parametrize("page", readme.READMES.values(), ids=readme.READMES)
def test_both_readmes_have_a_place_for_the_tables(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert 0 < text.find(BEGIN) < text.find(END) < text.find(DOCUMENTS_BEGIN) < text.find(DOCUMENTS_END)
