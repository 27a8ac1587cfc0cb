"""Claims about connections: what is not HTTP, never ends, comes too slowly or offers another protocol."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from starlette.middleware import Middleware
from starlette.responses import StreamingResponse

from app import problems
from app.core.config import Settings
from app.core.traffic import Traffic
from app.middleware import Edge
from app.protocol import Protocol
from app.server import server_config
from tests.backend import Backend

HURRY = 0.6
KIB = 1024
UPGRADE = b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


class Hurried(Protocol):
    head_seconds = HURRY


def application(body_seconds: float) -> FastAPI:
    edge = Middleware(
        Edge,
        settings=Settings(_env_file=None, max_body_bytes=6_000_000),
        internal_error=problems.internal_error,
        traffic=Traffic(),
        body_seconds=body_seconds,
    )
    app = FastAPI(middleware=[edge])
    problems.install(app)

    @app.api_route("/echo", methods=["GET", "POST"])
    async def echo(request: Request) -> dict[str, Any]:
        body = await request.body()
        client = request.client and request.client.host
        return {"method": request.method, "length": len(body), "start": body[:20].decode(), "client": client}

    @app.get("/slow")
    async def slow() -> StreamingResponse:
        async def stream() -> AsyncIterator[bytes]:
            for _ in range(4):
                yield b"tick "
                await asyncio.sleep(HURRY / 2)

        return StreamingResponse(stream())

    @app.post("/unread")
    async def unread() -> str:
        return "early"

    return app


class Answer(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """Raw bytes out, answers in; every wait is bounded."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()
            await asyncio.sleep(0.02)  # a packet of its own

    async def answer(self, *, within: float = 5.0) -> Answer:
        async with asyncio.timeout(within):
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            headers = httpx.Headers([(name, value) for name, _, value in (line.partition(": ") for line in lines)])
            if "content-length" in headers:
                body = await self._reader.readexactly(int(headers["content-length"]))
            else:
                body = await self._reader.readuntil(b"0\r\n\r\n")
        return Answer(int(first.split()[1]), headers, body)

    async def closed(self, *, within: float = 5.0) -> bytes:
        """What came before the server closed."""
        async with asyncio.timeout(within):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def serving(protocol: type[Protocol], *, body_seconds: float = HURRY) -> AsyncIterator[str]:
    config = server_config(application(body_seconds))
    config.http = protocol
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        task = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(10):
            while not server.started:
                await asyncio.sleep(0.01)
        yield url
        server.should_exit = True
        await asyncio.wait_for(task, 10)


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async with serving(Protocol) as url:
        yield url


@pytest.fixture
async def unhurried() -> AsyncIterator[str]:
    """Waits for bodies as long as it takes."""
    async with serving(Protocol, body_seconds=60) as url:
        yield url


@pytest.fixture
async def hurried() -> AsyncIterator[str]:
    async with serving(Hurried) as url:
        yield url


def assert_refused(answer: Answer, status: int, code: str) -> None:
    problem = answer.json
    assert (answer.status, problem["status"], problem["code"]) == (status, status, code)
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == problem["request_id"] != ""
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["connection"] == "close"
    assert b"canary" not in answer.body


@pytest.mark.parametrize(
    "request_",
    [
        b"CANARY / HTTP/1.1\r\nHost: canary\r\n\r\n",
        b"GET /canary\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /canary HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-A: canary\r\n canary\r\n\r\n",
        b"CONNECT canary:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n",
        b"\x16\x03\x01\x02\x00\x01canary\r\n\r\n",
    ],
    ids=["method", "path", "two-lengths", "fold", "connect", "chunk", "tls"],
)
async def test_what_the_parser_refuses_is_a_problem_too(backend: Backend, request_: bytes) -> None:
    async with connected(backend.url) as connection:
        await connection.send(request_)
        assert_refused(await connection.answer(), 400, "bad_request")
        assert await connection.closed() == b""


@pytest.mark.parametrize(
    ("opening", "piece"),
    [
        (b"GET /echo HTTP/1.1\r\nX-A: canary", b"a" * KIB),
        (b"GET /echo HTTP/1.1\r\n", b"a" * KIB),
        (b"GET /", b"a" * KIB),
        (b"GET /echo HTTP/1.1\r\n", b"X-A: " + b"a" * (KIB - 7) + b"\r\n"),
        (b"GET /echo HTTP/1.1\r\n", b"a:\r\n" * 256),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: ", b"a" * KIB),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"a" * KIB),
        (b"", b"\r\n" * (KIB // 2)),
    ],
    ids=["value", "name", "path", "headers", "empty-headers", "trailer", "extension", "line-ends"],
)
async def test_no_head_goes_on_for_ever(unhurried: str, opening: bytes, piece: bytes) -> None:
    async with connected(unhurried) as connection:
        await connection.send(opening, piece * 60)
        with pytest.raises(TimeoutError):
            await connection.answer(within=0.05)
        await connection.send(piece * 6)
        assert_refused(await connection.answer(), 431, "head_too_large")
        assert await connection.closed() == b""


async def test_a_head_within_the_bound_is_answered(backend: Backend) -> None:
    async with connected(backend.url) as connection:
        await connection.send(b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: ", b"a" * 60 * KIB, b"\r\n\r\n")
        assert (await connection.answer()).status == 200


@pytest.mark.parametrize("offer", [b"", UPGRADE], ids=["plain", "upgrade"])
async def test_a_large_body_is_not_a_head(unhurried: str, offer: bytes) -> None:
    async with connected(unhurried) as connection:
        await connection.send(
            b"POST /echo HTTP/1.1\r\n" + offer + b"Content-Length: 5000000\r\n\r\n" + b"a" * 5_000_000
        )
        assert (await connection.answer()).json["length"] == 5_000_000


@pytest.mark.parametrize(
    "parts",
    [
        (b"Content-Length: 5\r\n\r\nhello",),
        (b"Content-Length: 5\r\n\r\n", b"he", b"llo"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", b"lo\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: a\r\n\r\n",),
    ],
    ids=["one-packet", "packets", "chunked", "trailer"],
)
async def test_an_offered_upgrade_is_ignored(unhurried: str, parts: tuple[bytes, ...]) -> None:
    first, *rest = parts
    async with connected(unhurried) as connection:
        for _ in range(2):
            await connection.send(b"POST /echo HTTP/1.1\r\n" + UPGRADE + first, *rest)
            answer = await connection.answer()
            assert (answer.status, answer.json["method"], answer.json["start"]) == (200, "POST", "hello")
        await connection.send(b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await connection.answer()).json["method"] == "GET"


async def test_requests_behind_an_upgrade_are_answered_in_turn(unhurried: str) -> None:
    count = 1500  # in one packet: more than calls may be nested
    post = b"POST /echo HTTP/1.1\r\n" + UPGRADE + b"Content-Length: 1\r\n\r\n"
    get = b"GET /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    async with connected(unhurried) as connection:
        await connection.send(post + b"a" + post + b"b" + get * count)
        assert [(await connection.answer()).json["start"] for _ in range(3)] == ["a", "b", ""]
        for _ in range(count - 1):
            assert (await connection.answer()).status == 200


async def test_an_upgrade_does_not_hide_bad_framing(server: str) -> None:
    async with connected(server) as connection:
        await connection.send(b"POST /echo HTTP/1.1\r\n" + UPGRADE + b"Transfer-Encoding: gzip\r\n\r\nhello")
        assert_refused(await connection.answer(), 400, "bad_request")


@pytest.mark.parametrize("opening", [b"", b"\r\n"], ids=["nothing", "line-end"])
async def test_a_connection_that_asks_nothing_is_closed(hurried: str, opening: bytes) -> None:
    async with connected(hurried) as connection:
        await connection.send(opening)
        assert await connection.closed(within=10) == b""


async def test_a_head_has_a_deadline_however_it_drips(hurried: str) -> None:
    async with connected(hurried) as connection:
        await connection.send(b"GET /echo HTTP/1.1\r\nX-A: ")
        await connection.send(*[b"a"] * 5)
        assert_refused(await connection.answer(within=10), 408, "request_timeout")


async def test_a_connection_outlasts_the_idle_time_of_its_client(server: str) -> None:
    """The SDKs' client drops it after five seconds; were it closed here at that time, too, requests would be lost."""
    async with connected(server) as connection:
        await connection.send(b"GET /echo HTTP/1.1\r\n\r\n")
        assert (await connection.answer()).status == 200
        await asyncio.sleep(6)
        await connection.send(b"GET /echo HTTP/1.1\r\n\r\n")
        assert (await connection.answer()).status == 200


async def test_the_next_head_has_a_deadline_of_its_own(hurried: str) -> None:
    async with connected(hurried) as connection:
        await connection.send(b"GET /echo HTTP/1.1\r\n\r\n")
        assert (await connection.answer()).status == 200
        await asyncio.sleep(HURRY * 2)  # idle, which is not the head's time
        await connection.send(b"GET /echo HTTP/1.1\r\n\r\n")
        assert (await connection.answer()).status == 200
        await connection.send(b"GET /echo HTTP")
        assert_refused(await connection.answer(within=10), 408, "request_timeout")


async def test_a_body_that_nobody_waits_for_keeps_no_connection(hurried: str) -> None:
    async with connected(hurried) as connection:
        await connection.send(b"POST /unread HTTP/1.1\r\nContent-Length: 99\r\n\r\n")
        assert (await connection.answer()).status == 200
        await connection.send(b"a")
        assert await connection.closed(within=10) == b""


async def test_an_answer_may_outlast_every_deadline(hurried: str) -> None:
    async with connected(hurried) as connection:
        await connection.send(b"GET /slow HTTP/1.1\r\n\r\n", b"GET /echo HT")
        assert (await connection.answer()).body.count(b"tick") == 4
        await connection.send(b"TP/1.1\r\n\r\n")
        assert (await connection.answer()).status == 200


async def test_no_refusal_is_written_into_an_answer(server: str) -> None:
    async with connected(server) as connection:
        await connection.send(b"GET /slow HTTP/1.1\r\n\r\n", b"CANARY\r\n\r\n")
        assert b" 400 " not in await connection.closed()


async def test_a_body_that_stops_coming_is_a_408(server: str) -> None:
    async with connected(server) as connection:
        await connection.send(b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nhell")
        assert_refused(await connection.answer(within=10), 408, "request_timeout")
        assert await connection.closed() == b""


async def test_a_body_that_keeps_coming_may_take_its_time(server: str) -> None:
    async with connected(server) as connection:
        await connection.send(b"POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (5 * 8 * KIB) + b"h" * 8 * KIB)
        for letter in (b"e", b"l", b"l", b"o"):
            await asyncio.sleep(HURRY / 2)
            await connection.send(letter * 8 * KIB)
        assert (await connection.answer()).json["length"] == 5 * 8 * KIB


async def test_a_byte_now_and_then_does_not_keep_a_request_open(server: str) -> None:
    async with connected(server) as connection:
        await connection.send(b"POST /echo HTTP/1.1\r\nContent-Length: 99\r\n\r\n")

        async def drip() -> None:
            while True:
                await connection.send(b"h")
                await asyncio.sleep(HURRY / 4)

        dripping = asyncio.create_task(drip())
        try:
            assert_refused(await connection.answer(within=10), 408, "request_timeout")
        finally:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)


async def test_a_client_cannot_name_its_own_address(server: str) -> None:
    async with connected(server) as connection:
        await connection.send(b"GET /echo HTTP/1.1\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n")
        assert (await connection.answer()).json["client"] == "127.0.0.1"
