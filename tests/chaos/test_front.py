"""The front passes bytes on as they come, holds back for who does not read, and sends nobody to who is not ready."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.chaos.front import Front
from tests.ports import free_port

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Instance:
    """Answers `/ready` with `status`, and anything else by `serve`."""

    def __init__(self, serve: Serve) -> None:
        self.port = free_port()
        self.status = b"200"
        self.taken = 0
        self._serve = serve

    async def __aenter__(self) -> "Instance":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if (await reader.readline()).startswith(b"GET /ready "):
                writer.write(b"HTTP/1.1 " + self.status + b" \r\n\r\n")
            else:
                self.taken += 1
                await self._serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)


Behind = Callable[..., Awaitable[tuple[Front, list[Instance]]]]


@pytest.fixture
async def behind() -> AsyncIterator[Behind]:
    """Two instances that serve like this, all of them ready, and the front before them."""
    async with AsyncExitStack() as stack:

        async def behind(serve: Serve = echo) -> tuple[Front, list[Instance]]:
            instances = [await stack.enter_async_context(Instance(serve)) for _ in range(2)]
            front = await stack.enter_async_context(Front([each.port for each in instances], patience=10))
            await until(lambda: len(front.ready) == 2)
            return front, instances

        yield behind


async def until(predicate: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not predicate():
            await asyncio.sleep(0.01)


async def connect(front: Front) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(front.url.rpartition(":")[2]))
    writer.write(b"hello\n")
    return reader, writer


async def test_connections_go_to_each_in_turn_and_lines_pass_one_by_one(behind: Behind) -> None:
    front, instances = await behind()

    opened = [await connect(front) for _ in range(6)]
    for reader, writer in opened:
        for number in range(3):
            writer.write(b"%d\n" % number)
            assert await reader.readline() == b"%d\n" % number
        writer.close()

    assert [each.taken for each in instances] == [3, 3]
    await until(lambda: front.open == 0)


async def test_nobody_is_sent_to_who_is_not_ready_unless_none_is(behind: Behind) -> None:
    front, (first, second) = await behind()
    first.status = b"503"
    await until(lambda: front.ready == {second.port})

    async def ask() -> None:
        reader, writer = await connect(front)
        writer.write(b"there?\n")
        assert await reader.readline() == b"there?\n"
        writer.close()

    for _ in range(4):
        await ask()
    assert (first.taken, second.taken) == (0, 4)

    second.status = b"503"
    await until(lambda: not front.ready)
    await ask()
    assert first.taken + second.taken == 5


async def test_who_does_not_read_is_not_buffered_for(behind: Behind) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for _ in range(4096):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    front, _ = await behind(flood)
    reader, writer = await connect(front)
    before = -1
    while before != sent:
        before = sent
        await asyncio.sleep(0.5)

    assert sent < 64 * 1024 * 1024, "what the kernel and the two buffers hold, and no more"
    assert len(await reader.read()) == 4096 * 65536
    writer.close()


async def test_a_reset_is_felt_on_both_sides(behind: Behind) -> None:
    left = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"more\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            left.set()
            raise

    front, _ = await behind(endless)
    reader, writer = await connect(front)
    assert await reader.readline() == b"more\n"

    assert front.reset(1.0, random.Random(1)) == 1  # noqa: S311

    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    async with asyncio.timeout(5):
        await left.wait()


async def test_the_end_of_either_side_is_passed_on(behind: Behind) -> None:
    async def until_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"%d" % len(await reader.read()))

    front, _ = await behind(until_end)
    reader, writer = await connect(front)
    writer.write(b"1234")
    writer.write_eof()

    assert await reader.read() == b"4"
    writer.close()
    await until(lambda: front.open == 0)
