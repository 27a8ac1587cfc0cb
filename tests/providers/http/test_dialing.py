"""How a connection is opened, and what there is when none can be."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx2
import pytest

from app.providers.http.sockets import Address, first_connected
from tests.providers.http.asking import post, transport
from tests.providers.http.loops import on_each_loop
from tests.providers.http.wire import OK, Wire, plays


def at(port: int) -> Address:
    return socket.AF_INET, ("127.0.0.1", port)


@contextmanager
def refusing() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextmanager
def silent() -> Iterator[int]:
    """A port at which nobody takes any connection: its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@on_each_loop
async def test_the_next_address_is_tried_when_one_refuses_or_says_nothing() -> None:
    async with Wire(plays(OK)) as server:
        with refusing() as refused, silent() as nobody:
            for addresses in ([refused, server.port], [nobody, server.port], [refused, nobody, server.port]):
                with await first_connected([*map(at, addresses)]) as connected:
                    assert connected.getpeername()[1] == server.port


@on_each_loop
async def test_an_address_that_answers_ends_the_attempts_at_the_others() -> None:
    async with Wire(plays(OK)) as server:
        with await first_connected([at(server.port)] * 5) as connected:
            assert connected.getpeername()[1] == server.port
            await asyncio.sleep(1.2)  # in which all would have been tried
            assert server.connections < 3  # one that was begun as the first answered may be there


@on_each_loop
async def test_when_all_addresses_refuse_there_is_no_connection() -> None:
    with refusing() as one, refusing() as other, pytest.raises(ConnectionRefusedError):
        await first_connected([at(one), at(other)])


@on_each_loop
async def test_attempts_end_with_whoever_waits_for_them() -> None:
    with silent() as one, silent() as other:
        attempt = asyncio.create_task(first_connected([at(one), at(other)]))
        await asyncio.sleep(0.3)
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        assert attempt.cancelled()


@on_each_loop
async def test_a_server_that_does_not_answer_is_a_timeout() -> None:
    with silent() as port:
        url = f"http://127.0.0.1:{port}"
        async with transport(url, connect_timeout=0.1) as asked:
            with pytest.raises(httpx2.ConnectTimeout):
                await post(asked, url)


@pytest.mark.parametrize("host", ["nobody.invalid", "x" * 64 + ".example", "a..b.example"])
@on_each_loop
async def test_a_name_that_nobody_has_is_an_error_of_the_transport(host: str) -> None:
    async with transport("http://127.0.0.1") as _, transport(f"http://{host}", connect_timeout=60) as asked:
        with pytest.raises(httpx2.ConnectError):
            await post(asked, f"http://{host}")


@on_each_loop
async def test_a_port_that_nobody_has_is_an_error_of_the_transport() -> None:
    with refusing() as port:
        url = f"http://127.0.0.1:{port}"
        async with transport(url) as asked:
            with pytest.raises(httpx2.ConnectError):
                await post(asked, url)
