"""A smoke test of the bench: it runs, every figure comes out, and a wrong answer is noticed. No time is judged here."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.bench import readme
from tests.bench.answers import Reader, WrongAnswer, check, read_ours
from tests.bench.doors import read_response, read_ui_message
from tests.bench.load import once
from tests.bench.options import parse
from tests.bench.vendors import VENDORS

_WHOLE = (
    b'event: start\ndata: {"model": "m", "seq": 1}\n\n'
    b'data: {"text": "1 ", "seq": 2}\n\ndata: {"text": "2 ", "seq": 3}\n\n'
    b'data: {"done": true, "status": "complete", "seq": 4}\n\n'
)
_RESPONSE = (
    b'data: {"type":"response.created"}\n\n'
    b'data: {"type":"response.output_text.delta","delta":"1 "}\n\n'
    b'data: {"type":"response.output_text.delta","delta":"2 "}\n\n'
    b'data: {"type":"response.output_text.done","text":"1 2 "}\n\n'
    b'data: {"type":"response.completed"}\n\n'
)
_UI_MESSAGE = (
    b'data: {"type":"start"}\n\n'
    b'data: {"type":"text-delta","id":"1","delta":"1 "}\n\ndata: {"type":"text-delta","id":"1","delta":"2 "}\n\n'
    b'data: {"type":"finish","finishReason":"stop"}\n\ndata: [DONE]\n\n'
)
_DOORS = (
    "/ai/chat/stream",
    "/v1/chat/completions",
    "/v1/responses",
    "/ai/ui/chat",
    "/v1/messages",
    "/ollama/api/chat",
    "/ollama/chat",
)
_ROWS = (
    "CPU per 1,000 chunks",
    "… as a multiple of bare",
    "CPU per request that begins a conversation",
    "CPU per request after 4 messages",
    "… after 4 messages as a multiple",
    "First text later",
    "Of 40 streams",
    "Memory of each",
    "From a stop",
    "Between chunks",
    "… under",
)


async def test_a_quick_run_brings_every_figure_of_every_vendor() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench", "--quick", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(400):
        output, errors = (said.decode() for said in await process.communicate())

    assert process.returncode == 0, errors
    *tables, doors = [table for table in output.split("\n\n") if table.startswith("| **")]
    assert [table.split("**")[1] for table in tables] == [vendor.title for vendor in VENDORS.values()]
    measured = [line.split(" | ") for line in doors.splitlines() if line.startswith("| `")]
    assert [row[0] for row in measured] == [f"| `{path}`" for path in _DOORS]
    assert all(any(map(str.isdigit, figure)) for row in measured for figure in row[2:5]), doors
    assert "≤ 1.8×" in doors
    for table in tables:
        lines = table.splitlines()
        for row in _ROWS:
            (figure,) = [line for line in lines if line.startswith(f"| {row}")]
            assert any(letter.isdigit() for letter in figure.split(" | ")[3]), figure


@pytest.mark.parametrize("lost", [b'data: {"text": "2 ", "seq": 3}\n\n', b'"status": "complete"'])
def test_an_answer_that_lacks_anything_is_wrong(lost: bytes) -> None:
    check(read_ours(_WHOLE), 2, "ours")

    with pytest.raises(WrongAnswer):
        check(read_ours(_WHOLE.replace(lost, b'"status": "failed"' if b"status" in lost else b"")), 2, "ours")


@pytest.mark.parametrize(
    ("read", "whole", "lost"),
    [
        (read_response, _RESPONSE, b'data: {"type":"response.output_text.delta","delta":"2 "}\n\n'),
        (read_response, _RESPONSE, b'data: {"type":"response.output_text.done","text":"1 2 "}\n\n'),
        (read_response, _RESPONSE, b'data: {"type":"response.completed"}\n\n'),
        (read_ui_message, _UI_MESSAGE, b'data: {"type":"text-delta","id":"1","delta":"2 "}\n\n'),
        (read_ui_message, _UI_MESSAGE, b'data: {"type":"finish","finishReason":"stop"}\n\n'),
        (read_ui_message, _UI_MESSAGE, b"data: [DONE]\n\n"),
    ],
)
def test_what_a_door_leaves_out_is_noticed(read: Reader, whole: bytes, lost: bytes) -> None:
    check(read(whole), 2, "a door")

    with pytest.raises(WrongAnswer):
        check(read(whole.replace(lost, b"")), 2, "a door")


@pytest.mark.parametrize("arguments", ["--only doors", "--only chunks,requests,first,memory,stop,flood", ""])
def test_what_fills_a_place_in_the_readmes_may_be_written(arguments: str) -> None:
    assert parse([*arguments.split(), "--write"]).write


@pytest.mark.parametrize("arguments", ["--only chunks", "--only doors,chunks", "--vendors ollama", "--quick"])
def test_a_part_of_a_table_is_not_written(arguments: str) -> None:
    with pytest.raises(SystemExit):
        parse([*arguments.split(), "--write"])


async def test_an_answer_that_is_cut_is_wrong() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ndata\r\n")
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        with pytest.raises(WrongAnswer, match="cut"):
            await once(server.sockets[0].getsockname()[1], b"GET / HTTP/1.1\r\n\r\n")


def test_the_tables_take_the_place_of_the_old_ones(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n", encoding="utf-8")

    readme.write(page, "new")

    assert page.read_text(encoding="utf-8") == f"before\n{readme.BEGIN}\n\nnew\n\n{readme.END}\nafter\n"


@pytest.mark.parametrize("page", readme.READMES.values(), ids=readme.READMES)
def test_both_readmes_have_a_place_for_the_tables(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert 0 < text.find(readme.BEGIN) < text.find(readme.END)
    assert 0 < text.find(readme.DOORS_BEGIN) < text.find(readme.DOORS_END)
