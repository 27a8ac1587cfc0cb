"""Claims about what every request and every answer gets."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app import problems
from app.core.config import Settings
from app.core.logging import JsonFormatter
from app.core.traffic import Traffic
from app.middleware import middleware

SETTINGS: dict[str, Any] = {"max_body_bytes": 2000}


ROUTER = APIRouter()


@ROUTER.get("/health")
async def health() -> dict[str, str]:
    return {}


@ROUTER.get("/own")
async def own() -> JSONResponse:
    headers = {"X-Frame-Options": "SAMEORIGIN", "Cache-Control": "max-age=1", "X-Request-ID": "mine"}
    return JSONResponse({}, headers=headers)


@ROUTER.get("/text")
async def text(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.state.request_id)


@ROUTER.get("/seen")
async def seen(request: Request) -> dict[str, Any]:
    return {"client": request.client, "scheme": request.url.scheme}


@ROUTER.get("/broken")
async def broken() -> None:
    raise RuntimeError("canary")


@ROUTER.get("/cut")
async def cut() -> StreamingResponse:
    async def stream() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("canary")

    return StreamingResponse(stream())


@ROUTER.get("/slow")
async def slow() -> None:
    await asyncio.sleep(30)


@ROUTER.post("/body")
async def body(request: Request) -> int:
    return len(await request.body())


class Watching(Response):
    """Answers first, then waits for the client to leave, as streams do."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (message := await receive())["type"] != "http.disconnect" and message["more_body"]:
            pass
        await send({"type": "http.response.body", "body": b"left"})


@ROUTER.post("/unread")
async def unread() -> Response:
    return Watching()


def application(**settings: Any) -> FastAPI:
    values: dict[str, Any] = SETTINGS | settings
    app = FastAPI(middleware=middleware(Settings(_env_file=None, **values), problems.internal_error, Traffic()))
    problems.install(app)
    app.include_router(ROUTER)
    return app


def calling(app: FastAPI, *, peer: str = "127.0.0.1") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(peer, 123)), base_url="http://test")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with calling(application()) as client:
        yield client


class Logs(io.StringIO):
    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def logs() -> Iterator[Logs]:
    stream = Logs()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("app")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.mark.parametrize("given", ["a", "A-1_b.c", "x" * 128])
async def test_a_sane_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/text", headers={"X-Request-ID": given})
    assert (answer.headers["x-request-id"], answer.text) == (given, given)


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", "é", "a\r\nSet-Cookie: b=c", "a\n", '{"a":1}'])
async def test_any_other_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/text", headers={b"X-Request-ID": given.encode("latin-1")})
    assert len(answer.headers["x-request-id"]) == 36
    assert answer.headers.get_list("x-request-id") == [answer.text]
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/text", "/own", "/health", "/nowhere", "/broken"])
async def test_every_answer_is_safe_by_its_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "x-frame-options" in headers
    assert len(headers.get_list("x-request-id")) == 1
    assert "strict-transport-security" not in headers


async def test_an_answers_own_headers_win_but_for_the_id(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/own")).headers
    assert headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert headers.get_list("cache-control") == ["max-age=1"]
    assert headers["x-request-id"] != "mine"


async def test_json_is_not_stored_unless_it_says_so(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).headers["cache-control"] == "no-store"
    assert (await client.get("/nowhere")).headers["cache-control"] == "no-store"
    assert "cache-control" not in (await client.get("/text")).headers


async def test_production_asks_for_https() -> None:
    async with calling(application(environment="production", secret_key="0f1e2d3c4b5a69788796a5b4c3d2e1f0")) as client:
        assert (await client.get("/text")).headers["strict-transport-security"] == "max-age=31536000"


async def test_a_request_is_one_line_without_its_query(client: httpx.AsyncClient, logs: Logs) -> None:
    await client.get("/text?token=canary", headers={"X-Request-ID": "r-1", "Authorization": "Bearer canary"})
    (entry,) = logs.entries
    assert (entry["method"], entry["path"], entry["status"], entry["client"]) == ("GET", "/text", 200, "127.0.0.1")
    assert (entry["request_id"], entry["level"]) == ("r-1", "info")
    assert entry["duration_ms"] >= 0
    assert "canary" not in logs.getvalue()


PROXIES = {"trusted_proxies": "172.16.0.0/12, ::1"}
FORWARDED = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize("peer", ["172.16.3.98", "::1", "::ffff:172.16.3.98"])
@pytest.mark.parametrize("told", [FORWARDED, FORWARDED | {"Fly-Client-IP": "203.0.113.7", "X-Forwarded-For": "x"}])
async def test_behind_a_proxy_of_ours_the_client_is_whom_it_names(peer: str, told: dict[str, str], logs: Logs) -> None:
    async with calling(application(**PROXIES), peer=peer) as client:
        assert (await client.get("/seen", headers=told)).json() == {"client": ["203.0.113.7", 0], "scheme": "https"}
    assert logs.entries[0]["client"] == "203.0.113.7"


@pytest.mark.parametrize(("peer", "settings"), [("127.0.0.1", PROXIES), ("172.32.0.1", PROXIES), ("172.16.3.98", {})])
async def test_from_anybody_else_the_same_headers_say_nothing(peer: str, settings: dict[str, Any], logs: Logs) -> None:
    told = FORWARDED | {"Fly-Client-IP": "203.0.113.7", "X-Real-IP": "203.0.113.7", "Forwarded": "for=203.0.113.7"}
    async with calling(application(**settings), peer=peer) as client:
        assert (await client.get("/seen", headers=told)).json() == {"client": [peer, 123], "scheme": "http"}
    assert logs.entries[0]["client"] == peer


@pytest.mark.parametrize("value", ["", "unknown", "1.2.3.4:5:6", "\x00\xff", ", ,", "[" * 10_000])
async def test_a_proxy_that_names_nobody_is_the_client_itself(value: str, logs: Logs) -> None:
    told = [(name.encode(), value.encode("latin-1")) for name in ("Fly-Client-IP", "X-Forwarded-For")]
    async with calling(application(**PROXIES), peer="::1") as client:
        assert (await client.get("/seen", headers=told)).json() == {"client": ["::1", 123], "scheme": "http"}
    assert [entry["level"] for entry in logs.entries] == ["info"]


async def test_machines_that_ask_often_are_logged_at_debug(client: httpx.AsyncClient, logs: Logs) -> None:
    await client.get("/health")
    assert [entry["level"] for entry in logs.entries] == ["debug"]


async def test_a_path_cannot_forge_a_line(client: httpx.AsyncClient, logs: Logs) -> None:
    await client.get("/%0d%0a%7B%7D%1b[2J%E2%80%A8" + "x" * 5000)
    assert len(logs.getvalue().splitlines()) == 1
    assert "\x1b" not in logs.getvalue()
    assert logs.entries[0]["path"].startswith("/\r\n{}\x1b[2J\u2028")
    assert len(logs.getvalue()) < 2000


async def test_the_unexpected_is_a_problem_and_one_entry(client: httpx.AsyncClient, logs: Logs) -> None:
    answer = await client.get("/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    failed, access = logs.entries
    assert (failed["level"], failed["exception"]["type"]) == ("error", "builtins.RuntimeError")
    assert any("test_middleware.py" in frame for frame in failed["exception"]["stack"])
    assert (access["status"], access["request_id"]) == (500, failed["request_id"])
    assert "canary" not in answer.text + logs.getvalue()


async def test_a_stream_that_breaks_ends_quietly_with_one_entry(logs: Logs) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/cut", "headers": [], "query_string": b"", "root_path": ""}
    await application()(scope, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert [entry["level"] for entry in logs.entries] == ["error", "info"]
    assert "canary" not in logs.getvalue()


async def test_a_client_that_leaves_is_no_error(client: httpx.AsyncClient, logs: Logs) -> None:
    request = asyncio.create_task(client.get("/slow"))
    await asyncio.sleep(0.05)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert [(entry["level"], entry["status"]) for entry in logs.entries] == [("info", None)]


async def _chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 500


async def test_a_body_has_a_limit_announced_or_not(client: httpx.AsyncClient) -> None:
    assert (await client.post("/body", content=b"x" * 2000)).json() == 2000
    assert (await client.post("/body", content=_chunks(4))).json() == 2000
    for body in (b"x" * 2001, _chunks(5)):
        answer = await client.post("/body", content=body)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("length", ["-1", "x", "1e9", "", "9" * 30])
async def test_a_length_that_is_none_is_not_believed(client: httpx.AsyncClient, length: str) -> None:
    answer = await client.post("/body", content=_chunks(5), headers={"Content-Length": length})
    assert answer.status_code == 413


async def test_a_body_that_nobody_wanted_breaks_no_answer(client: httpx.AsyncClient, logs: Logs) -> None:
    for body in (b"x" * 5000, _chunks(9), b""):
        answer = await client.post("/unread", content=body)
        assert (answer.status_code, answer.content) == (200, b"left")
    assert {entry["level"] for entry in logs.entries} == {"info"}


CORS = {"cors_origins": ["https://page.example"]}


async def test_without_the_setting_there_is_no_cors(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health", headers={"Origin": "https://page.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_an_allowed_page_reads_answers_failures_and_our_headers() -> None:
    async with calling(application(**CORS)) as client:
        for path in ("/health", "/nowhere", "/broken"):
            headers = (await client.get(path, headers={"Origin": "https://page.example"})).headers
            assert headers["access-control-allow-origin"] == "https://page.example"
            exposed = set(headers["access-control-expose-headers"].split(", "))
            assert exposed >= {"X-Conversation-ID", "X-Generation-ID", "X-Request-ID", "Retry-After", "RateLimit-Limit"}
            assert "access-control-allow-credentials" not in headers


async def test_an_allowed_page_may_send_what_the_api_takes() -> None:
    preflight = {
        "Origin": "https://page.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, x-api-key, content-type, idempotency-key, last-event-id",
    }
    async with calling(application(**CORS)) as client:
        answer = await client.options("/health", headers=preflight)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.test", "null", "https://page.example.evil.test", "http://page.example", "https://PAGE.example"],
)
async def test_no_other_page_is_let_in(origin: str) -> None:
    async with calling(application(**CORS)) as client:
        answers = [
            await client.get("/health", headers={"Origin": origin}),
            await client.options("/health", headers={"Origin": origin, "Access-Control-Request-Method": "GET"}),
        ]
    for answer in answers:
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers


async def test_any_origin_never_comes_with_credentials() -> None:
    async with calling(application(cors_origins=["*"])) as client:
        headers = (await client.get("/health", headers={"Origin": "https://evil.test", "Cookie": "session=x"})).headers
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
