"""Which connections carry another request, and what is left of those that do not: nothing."""

import asyncio
import time
from contextlib import closing

import httpx2
import pytest

from app.providers.http.answers import Unanswered
from app.providers.http.dialing import Dialer, Origin
from app.providers.http.pool import Pool
from tests.providers.http.asking import ask, post, text, transport
from tests.providers.http.loops import on_each_loop
from tests.providers.http.wire import OK, Wire, plays

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LARGE = b"x" * 20_000_000


def pool(server: Wire, idle_seconds: float) -> Pool:
    origin = Origin.of(httpx2.URL(server.url))
    return Pool(Dialer(origin, None, connect_timeout=5).dial, idle_seconds=idle_seconds)


@on_each_loop
async def test_requests_one_after_the_other_share_a_connection() -> None:
    async with Wire(plays(OK)) as server, transport(server.url) as asked:
        for _ in range(5):
            assert await text((await post(asked, server.url)).body) == b"ok"
        assert server.connections == 1


@on_each_loop
async def test_requests_at_once_have_a_connection_each() -> None:
    async with Wire(plays(CHUNKED, b"2\r\nok\r\n", b"0\r\n\r\n")) as server, transport(server.url) as asked:
        arrivals = await asyncio.gather(*(post(asked, server.url) for _ in range(50)))
        assert await asyncio.gather(*(text(arrival.body) for arrival in arrivals)) == [b"ok"] * 50
        assert server.connections == 50


@on_each_loop
async def test_the_connection_used_last_is_used_next_and_the_others_grow_old() -> None:
    async with Wire(plays(OK)) as server:
        connections = pool(server, idle_seconds=0.2)
        first, second = await asyncio.gather(connections.lend(), connections.lend())
        for lent in (first, second):
            await lent.connection.send("GET", b"GET / HTTP/1.1\r\n\r\n")
        for _ in range(3):
            again = await connections.lend()
            assert again.connection is second.connection
            await again.connection.send("GET", b"GET / HTTP/1.1\r\n\r\n")
        await server.until(lambda: server.left == 2)
        assert first.connection.closed
        assert second.connection.closed
        await connections.aclose()


@on_each_loop
async def test_what_the_server_closed_meanwhile_is_not_used_again() -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await plays(OK)(reader, writer)
        writer.close()

    async with Wire(leave, plays(OK)) as server, transport(server.url) as asked:
        await text((await post(asked, server.url)).body)
        await server.until(lambda: server.left == 1)
        assert await text((await post(asked, server.url)).body) == b"ok"
        assert server.connections == 2


@on_each_loop
async def test_a_connection_that_was_closed_behind_the_loops_back_is_not_used_again() -> None:
    """The server's end lies in the socket, and the event loop has not looked yet."""
    async with Wire(plays(OK)) as server:
        connections = pool(server, idle_seconds=30)
        lent = await connections.lend()
        await lent.connection.send("GET", b"GET / HTTP/1.1\r\n\r\n")
        assert lent.connection.usable()
        server.hang_up()
        deadline = time.monotonic() + 5
        while lent.connection.usable() and time.monotonic() < deadline:
            time.sleep(0.001)  # noqa: ASYNC251  # the kernel has it on its way
        assert not lent.connection.closed
        assert not lent.connection.usable()
        assert (await connections.lend()).connection is not lent.connection
        await connections.aclose()


@on_each_loop
async def test_what_the_server_gives_up_under_a_request_may_be_tried_again() -> None:
    async with Wire(plays(OK), plays(then="close"), plays(OK)) as server, transport(server.url) as asked:
        await text((await post(asked, server.url)).body)
        with pytest.raises(Unanswered):
            await post(asked, server.url)
        assert await text((await post(asked, server.url)).body) == b"ok"


@on_each_loop
async def test_what_changes_nothing_is_asked_again_by_itself() -> None:
    async with Wire(plays(OK), plays(then="close"), plays(OK)) as server, transport(server.url) as asked:
        for _ in range(2):
            assert await (await ask(asked, "GET", server.url)).aread() == b"ok"
        assert (len(server.heads), server.connections) == (3, 2)


@on_each_loop
async def test_a_server_that_never_answers_is_not_asked_for_ever() -> None:
    async with Wire(plays(OK), plays(then="close")) as server, transport(server.url) as asked:
        await (await ask(asked, "GET", server.url)).aread()
        with pytest.raises(Unanswered):
            await ask(asked, "GET", server.url)
        assert len(server.heads) == 3


@pytest.mark.parametrize("surplus", [b"x", OK, b"\r\nHTTP/1.1 500 No\r\n\r\n"])
@pytest.mark.parametrize("whole", [OK, CHUNKED + b"2\r\nok\r\n0\r\n\r\n"], ids=["length", "chunked"])
@on_each_loop
async def test_what_follows_an_answer_is_nobodys(whole: bytes, surplus: bytes) -> None:
    async with Wire(plays(whole + surplus), plays(OK)) as server, transport(server.url) as asked:
        assert await text((await post(asked, server.url)).body) == b"ok"
        await server.until(lambda: server.left == 1)
        assert await text((await post(asked, server.url)).body) == b"ok"
        assert server.connections == 2


@on_each_loop
async def test_what_comes_unasked_ends_the_connection() -> None:
    async def later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await plays(OK)(reader, writer)
        await asyncio.sleep(0.02)
        await plays(b"HTTP/1.1 408 Too Late\r\nContent-Length: 0\r\n\r\n", then="hold")(reader, writer)

    async with Wire(later, plays(OK)) as server, transport(server.url) as asked:
        assert await text((await post(asked, server.url)).body) == b"ok"
        await server.until(lambda: server.left == 1)
        assert await text((await post(asked, server.url)).body) == b"ok"


@on_each_loop
async def test_leaving_an_answer_in_its_middle_ends_the_connection() -> None:
    async with Wire(plays(CHUNKED + b"2\r\nok\r\n", then="hold")) as server, transport(server.url) as asked:
        arriving = (await post(asked, server.url)).body
        assert await arriving.read() == b"ok"
        arriving.close()
        arriving.close()
        await server.until(lambda: server.left == 1)


@on_each_loop
async def test_closing_an_answer_that_came_whole_keeps_the_connection_even_unread() -> None:
    async with Wire(plays(OK)) as server, transport(server.url) as asked:
        for _ in range(3):
            (await post(asked, server.url)).body.close()
        assert server.connections == 1


@on_each_loop
async def test_the_rest_of_an_answer_is_waited_for_only_a_moment() -> None:
    async with Wire(plays(CHUNKED + b"2\r\nok\r\n", then="hold")) as server, transport(server.url) as asked:
        with closing((await post(asked, server.url)).body) as arriving:
            await arriving.drain()
        await server.until(lambda: server.left == 1)


@on_each_loop
async def test_a_server_waits_for_whoever_does_not_read() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD + b"Content-Length: 100000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 1

    async with Wire(flood) as server, transport(server.url) as asked:
        arriving = (await post(asked, server.url)).body
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 500
        assert len(await arriving.read()) < 1_000_000
        assert len(await text(arriving)) > 98_000_000
        assert sent == 1000


@on_each_loop
async def test_a_large_request_arrives_whole_and_its_connection_is_used_again() -> None:
    async with Wire(plays(OK)) as server, transport(server.url) as asked:
        for _ in range(2):
            assert await text((await post(asked, server.url, LARGE)).body) == b"ok"
        assert [len(body) for body in server.bodies] == [len(LARGE)] * 2
        assert server.connections == 1


@on_each_loop
async def test_a_large_request_that_is_refused_early_is_answered_and_not_sent_to_its_end() -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"
    replies = (plays(refusal, then="hold"), plays(OK))
    async with Wire(*replies, reads_bodies=False) as server, transport(server.url) as asked:
        response = await asked.handle_async_request(httpx2.Request("POST", server.url, content=LARGE))
        assert (response.status_code, response.content) == (413, b"big")
        assert await text((await post(asked, server.url, b"")).body) == b"ok"
        assert server.connections == 2


@on_each_loop
async def test_a_large_request_may_lose_its_server() -> None:
    async with Wire(plays(then="reset"), reads_bodies=False) as server, transport(server.url) as asked:
        with pytest.raises(httpx2.TransportError):
            await post(asked, server.url, LARGE)


@pytest.mark.parametrize("content", [b"{}", LARGE], ids=["small", "large"])
@on_each_loop
async def test_cancelled_while_it_asks_it_leaves(content: bytes) -> None:
    async with Wire(plays(then="hold"), reads_bodies=False) as server, transport(server.url) as asked:
        task = asyncio.create_task(post(asked, server.url, content))
        await server.until(lambda: len(server.heads) == 1)
        task.cancel()
        await server.until(lambda: server.left == 1)
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


@on_each_loop
async def test_cancelled_at_any_step_it_leaves_nothing_behind() -> None:
    async with Wire(plays(*[bytes([byte]) for byte in OK])) as server, transport(server.url) as asked:
        for steps in range(40):
            task = asyncio.create_task(post(asked, server.url))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            for arrival in await asyncio.gather(task, return_exceptions=True):
                if not isinstance(arrival, BaseException):
                    arrival.body.close()
        await server.until(lambda: server.left == server.connections)


@on_each_loop
async def test_closing_the_transport_ends_answers_that_are_under_way() -> None:
    async with Wire(plays(CHUNKED + b"2\r\nok\r\n", then="hold")) as server, transport(server.url) as asked:
        arriving = (await post(asked, server.url)).body
        assert await arriving.read() == b"ok"
        reading = asyncio.create_task(arriving.read())
        await asyncio.sleep(0)
        await asked.aclose()
        await server.until(lambda: server.left == 1)
        (failure,) = await asyncio.gather(reading, return_exceptions=True)
        assert isinstance(failure, Exception)
        with pytest.raises(httpx2.ConnectError):
            await post(asked, server.url)


@on_each_loop
async def test_an_answer_that_ends_with_its_connection_is_not_whole_because_we_leave() -> None:
    async with Wire(plays(HEAD + b"\r\nok", then="hold")) as server, transport(server.url) as asked:
        arriving = (await post(asked, server.url)).body
        assert await arriving.read() == b"ok"
        await asked.aclose()
        (failure,) = await asyncio.gather(arriving.read(), return_exceptions=True)
        assert isinstance(failure, Exception)
