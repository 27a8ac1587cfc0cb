"""TLS: whom it trusts, and what becomes of a connection that cannot be secured."""

import asyncio
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from app.domain.failures import FailureCode, GenerationFailure
from tests.providers.http.asking import ask, post, text, transport
from tests.providers.http.certificates import Authority
from tests.providers.http.loops import on_each_loop
from tests.providers.http.wire import OK, Then, Wire, bytewise, plays

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


@on_each_loop
async def test_answers_come_over_tls_and_share_a_connection(trusted: Authority) -> None:
    async with Wire(plays(OK), secure=trusted.server("127.0.0.1")) as server, transport(server.url) as asked:
        for _ in range(3):
            assert await text((await post(asked, server.url)).body) == b"ok"
        assert await (await ask(asked, "GET", server.url)).aread() == b"ok"
        assert (server.connections, server.protocols) == (1, ["http/1.1"])


@on_each_loop
async def test_an_answer_may_come_byte_by_byte(trusted: Authority) -> None:
    async with Wire(plays(*bytewise(OK)), secure=trusted.server("127.0.0.1")) as server, transport(server.url) as asked:
        assert await text((await post(asked, server.url)).body) == b"ok"


@on_each_loop
async def test_the_name_is_the_one_that_was_asked_for(trusted: Authority) -> None:
    async with Wire(plays(OK), secure=trusted.server("localhost")) as server:
        url = f"https://localhost:{server.port}"
        async with transport(url) as asked:
            assert await text((await post(asked, url)).body) == b"ok"


@pytest.mark.parametrize("name", ["127.0.0.2", "localhost", "vendor.example"])
@on_each_loop
async def test_a_certificate_for_another_name_is_none(trusted: Authority, name: str) -> None:
    async with Wire(plays(OK), secure=trusted.server(name)) as server, transport(server.url) as asked:
        with pytest.raises(httpx2.ConnectError):
            await post(asked, server.url)
        assert server.heads == []


@on_each_loop
async def test_a_certificate_of_somebody_unknown_is_none(authority: Authority) -> None:
    async with Wire(plays(OK), secure=authority.server("127.0.0.1")) as server, transport(server.url) as asked:
        with pytest.raises(httpx2.ConnectError):
            await post(asked, server.url)
        assert server.heads == []


@on_each_loop
async def test_a_server_that_speaks_no_tls_is_an_error_of_the_transport() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 This port is in clear\r\n\r\n")
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    plain = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}"
    async with plain, transport(url) as asked:
        with pytest.raises(httpx2.ConnectError):
            await post(asked, url)


@on_each_loop
async def test_a_server_that_leaves_before_the_handshake_is_an_error_of_the_transport() -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    leaving = await asyncio.start_server(leave, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{leaving.sockets[0].getsockname()[1]}"
    async with leaving, transport(url) as asked:
        for _ in range(20):
            with pytest.raises(httpx2.ConnectError):
                await post(asked, url)


@on_each_loop
async def test_a_handshake_that_nobody_answers_is_a_timeout() -> None:
    async with Wire(plays(OK)) as server:
        url = f"https://127.0.0.1:{server.port}"
        async with transport(url, connect_timeout=0.1) as asked:
            with pytest.raises(httpx2.ConnectTimeout):
                await post(asked, url)


@on_each_loop
async def test_cancelled_at_any_step_of_the_handshake_it_leaves_nothing_behind(trusted: Authority) -> None:
    async with Wire(plays(OK), secure=trusted.server("127.0.0.1")) as server, transport(server.url) as asked:
        for steps in range(30):
            task = asyncio.create_task(post(asked, server.url))
            for _ in range(steps):
                await asyncio.sleep(0.0002 if steps % 2 else 0)
            task.cancel()
            for arrival in await asyncio.gather(task, return_exceptions=True):
                if not isinstance(arrival, BaseException):
                    arrival.body.close()


@pytest.mark.parametrize("then", ["close", "reset"])
@on_each_loop
async def test_a_cut_answer_is_cut_over_tls_too(trusted: Authority, then: Then) -> None:
    data = plays(HEAD + b"Content-Length: 9\r\n\r\nhello", then=then)
    async with Wire(data, secure=trusted.server("127.0.0.1")) as server, transport(server.url) as asked:
        arriving = (await post(asked, server.url)).body
        assert await arriving.read() == b"hello"
        with pytest.raises(GenerationFailure) as failure:
            await arriving.read()
        assert failure.value.code is FailureCode.UPSTREAM_CUT


@on_each_loop
async def test_an_answer_may_end_with_its_connection_over_tls_too(trusted: Authority) -> None:
    data = plays(HEAD + b"\r\nhello", then="close")
    async with Wire(data, secure=trusted.server("127.0.0.1")) as server, transport(server.url) as asked:
        assert await text((await post(asked, server.url)).body) == b"hello"


@on_each_loop
async def test_leaving_an_answer_ends_the_connection_over_tls_too(trusted: Authority) -> None:
    data = plays(HEAD + b"Content-Length: 9\r\n\r\nhello", then="hold")
    async with Wire(data, secure=trusted.server("127.0.0.1")) as server, transport(server.url) as asked:
        arriving = (await post(asked, server.url)).body
        assert await arriving.read() == b"hello"
        arriving.close()
        await server.until(lambda: server.left == 1)


@on_each_loop
async def test_large_requests_and_answers_pass(trusted: Authority) -> None:
    large = b"x" * 5_000_000
    data = plays(HEAD + b"Content-Length: 5000000\r\n\r\n" + large)
    async with Wire(data, secure=trusted.server("127.0.0.1")) as server, transport(server.url) as asked:
        for _ in range(2):
            assert await text((await post(asked, server.url, large)).body) == large
        assert server.bodies == [large, large]
        assert server.connections == 1
