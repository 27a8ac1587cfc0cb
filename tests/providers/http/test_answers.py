"""What counts as an answer, where it ends, and what is none."""

import asyncio

import httpx2
import pytest

from app.domain.failures import FailureCode, GenerationFailure
from app.providers.http.answers import HEAD_BYTES
from app.providers.transport import Refused, body_of
from tests.providers.http.asking import ask, post, text, transport
from tests.providers.http.loops import on_each_loop
from tests.providers.http.wire import OK, Then, Wire, bytewise, plays

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HELLO = b"5\r\nhello\r\n"

WHOLE = {
    "length": (HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "length-of-nothing": (HEAD + b"Content-Length: 0\r\n\r\n", b""),
    "chunked": (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
    "chunked-in-capitals": (HEAD + b"TRANSFER-ENCODING: Chunked\r\n\r\n" + HELLO + b"0\r\n\r\n", b"hello"),
    "extensions": (CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
    "trailers": (CHUNKED + HELLO + b"0\r\nA: b\r\nC: d\r\n\r\n", b"hello"),
    "no-content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "not-modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, b"ok"),
    "empty-header": (HEAD + b"X-Empty:\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    "no-reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
}


@pytest.mark.parametrize("split", [False, True], ids=["at-once", "byte-by-byte"])
@pytest.mark.parametrize(("data", "said"), WHOLE.values(), ids=WHOLE)
@on_each_loop
async def test_an_answer_that_says_where_it_ends_leaves_its_connection_to_the_next(
    data: bytes, said: bytes, split: bool
) -> None:
    reply = plays(*bytewise(data)) if split else plays(data)
    async with Wire(reply, plays(OK)) as server, transport(server.url) as asked:
        assert await text((await post(asked, server.url)).body) == said
        assert await text((await post(asked, server.url)).body) == b"ok"
        assert server.connections == 1


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        HEAD + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
@on_each_loop
async def test_an_answer_may_end_with_its_connection(data: bytes) -> None:
    async with Wire(plays(data, then="close"), plays(OK)) as server, transport(server.url) as asked:
        assert await text((await post(asked, server.url)).body) == b"hello"
        assert await text((await post(asked, server.url)).body) == b"ok"
        assert server.connections == 2


@on_each_loop
async def test_the_head_of_an_answer_alone_has_no_body() -> None:
    head = plays(HEAD + b"Content-Length: 5\r\n\r\n")
    async with Wire(head, plays(OK)) as server, transport(server.url) as asked:
        response = await ask(asked, "HEAD", server.url)
        assert (response.status_code, await response.aread()) == (200, b"")
        assert await (await ask(asked, "GET", server.url)).aread() == b"ok"


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("data", [HEAD + b"Content-Length: 9\r\n\r\nhello", CHUNKED + HELLO], ids=["length", "chunked"])
@on_each_loop
async def test_what_came_before_a_cut_is_handed_out_before_the_failure(data: bytes, then: Then) -> None:
    async with Wire(plays(data, then=then)) as server, transport(server.url) as asked:
        arriving = (await post(asked, server.url)).body
        await server.until(lambda: server.left == 1)
        await asyncio.sleep(0.01)  # nobody reads until the connection has ended
        assert await arriving.read() == b"hello"
        with pytest.raises(GenerationFailure) as failure:
            await arriving.read()
        assert (failure.value.code, failure.value.transient) == (FailureCode.UPSTREAM_CUT, True)


@on_each_loop
async def test_a_reset_is_no_end_of_an_answer_that_ends_with_its_connection() -> None:
    async with Wire(plays(HEAD + b"\r\nhello", then="reset")) as server, transport(server.url) as asked:
        arriving = (await post(asked, server.url)).body
        assert await arriving.read() == b"hello"
        with pytest.raises(GenerationFailure) as failure:
            await arriving.read()
        assert failure.value.code is FailureCode.UPSTREAM_CUT


@pytest.mark.parametrize("then", ["close", "reset"])
@on_each_loop
async def test_no_answer_at_all_is_an_error_of_the_transport(then: Then) -> None:
    async with Wire(plays(then=then)) as server, transport(server.url) as asked:
        with pytest.raises(httpx2.RemoteProtocolError):
            await post(asked, server.url)


NO_HEADS = {
    "garbage": b"garbage\r\n\r\n",
    "another-version": b"HTTP/9.9 200 OK\r\n\r\n",
    "another-protocol": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "length-and-chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "two-lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "negative-length": HEAD + b"Content-Length: -5\r\n\r\nhello",
    "another-coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks-twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space-before-colon": HEAD + b"Content-Length : 2\r\n\r\nok",
    "folded-line": HEAD + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "large-header": HEAD + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "large-header-at-once": HEAD + b"X: " + b"x" * 150_000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "large-header-that-never-ends": HEAD + b"X: " + b"x" * 1_000_000,
    "large-name-that-never-ends": HEAD + b"x" * 1_000_000,
    "large-reason": b"HTTP/1.1 200 " + b"x" * 1_000_000,
    "many-headers": HEAD + b"X: y\r\n" * 100_000,
    "interim-for-ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    "interim-headers-for-ever": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 10_000,
}


@pytest.mark.parametrize("data", NO_HEADS.values(), ids=NO_HEADS)
@on_each_loop
async def test_what_is_no_answer_is_refused_and_its_connection_ended(data: bytes) -> None:
    async with Wire(plays(data, then="hold"), plays(OK)) as server, transport(server.url) as asked:
        with pytest.raises(httpx2.RemoteProtocolError):
            await post(asked, server.url)
        await server.until(lambda: server.left == 1)
        assert await text((await post(asked, server.url)).body) == b"ok"


BROKEN_BODIES = {
    "no-size": CHUNKED + HELLO + b"zz\r\n",
    "huge-size": CHUNKED + HELLO + b"f" * 17 + b"\r\n",
    "longer-than-its-size": CHUNKED + HELLO + b"1\r\nhello\r\n",
    "extension-that-never-ends": CHUNKED + HELLO + b"5;" + b"x" * 1_000_000,
    "trailer-that-never-ends": CHUNKED + HELLO + b"0\r\nX: " + b"x" * 1_000_000,
    "trailer-at-once": CHUNKED + HELLO + b"0\r\nX: " + b"x" * 150_000 + b"\r\n\r\n",
    "trailers-that-never-end": CHUNKED + HELLO + b"0\r\n" + b"X: y\r\n" * 100_000,
}


@pytest.mark.parametrize("data", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
@on_each_loop
async def test_a_body_that_is_no_http_is_a_failure_of_the_vendor(data: bytes) -> None:
    async with Wire(plays(data, then="hold")) as server, transport(server.url) as asked:
        arriving = (await post(asked, server.url)).body
        assert (await arriving.read()).startswith(b"h")
        with pytest.raises(GenerationFailure) as failure:
            await text(arriving)
        assert failure.value.code is FailureCode.UPSTREAM_PROTOCOL
        await server.until(lambda: server.left == 1)


@on_each_loop
async def test_a_head_may_be_as_large_as_its_bound() -> None:
    data = HEAD + b"X: " + b"x" * (HEAD_BYTES - 1000) + b"\r\nContent-Length: 2\r\n\r\nok"
    async with Wire(plays(data)) as server, transport(server.url) as asked:
        assert await text((await post(asked, server.url)).body) == b"ok"


@on_each_loop
async def test_names_of_headers_are_told_in_lower_case_and_their_bytes_as_latin() -> None:
    data = HEAD + b"X-Name: caf\xe9\r\nContent-Length: 2\r\n\r\nok"
    async with Wire(plays(data)) as server, transport(server.url) as asked:
        arrival = await post(asked, server.url)
        assert arrival.headers == {"x-name": "café", "content-length": "2"}
        assert await text(arrival.body) == b"ok"


@pytest.mark.parametrize("kept", [True, False])
@on_each_loop
async def test_a_page_of_an_error_is_read_and_its_connection_used_again(kept: bool) -> None:
    page = b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nContent-Length: 3\r\n\r\n" + (b"wai" if kept else b"w")
    async with Wire(plays(page, then="keep" if kept else "close"), plays(OK)) as server, transport(server.url) as asked:
        with pytest.raises(Refused) as refused:
            await post(asked, server.url)
        response = refused.value.response
        assert (response.status_code, response.headers["retry-after"]) == (429, "7")
        assert response.content == (b"wai" if kept else b"w")
        assert str(response.request.url) == f"{server.url}/path"
        await text((await post(asked, server.url)).body)
        assert server.connections == (1 if kept else 2)


@on_each_loop
async def test_a_body_can_be_had_of_a_response_too() -> None:
    async with Wire(plays(OK)) as server, transport(server.url) as asked:
        response = await ask(asked, "GET", server.url)
        assert await text(body_of(response)) == b"ok"


@on_each_loop
async def test_an_answer_that_is_too_large_to_be_read_whole_is_refused() -> None:
    data = HEAD + b"Content-Length: 9000000\r\n\r\n" + b"x" * 9_000_000
    async with Wire(plays(data)) as server, transport(server.url) as asked:
        response = await ask(asked, "GET", server.url)
        with pytest.raises(httpx2.RemoteProtocolError):
            await response.aread()
