"""What Prometheus learns of requests: by the route that they took, whatever else was in them."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.types import Message

from app import problems
from app.core.config import Settings
from app.core.metrics import Metrics
from app.middleware import middleware
from tests.backend import PLAIN, Backend
from tests.chat.reading import posting
from tests.conftest import Serve
from tests.scrape import Scrape
from tests.upstream import Answer, Upstream

COUNT = "ai_http_requests_total"
WAITED = "ai_http_response_seconds"
CANARY = "0198aaaa-cafe-7000-8000-00000000cafe"


@pytest.fixture
async def stranger(backend: Backend) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=backend.url, trust_env=False, verify=PLAIN, timeout=20) as http:
        yield http


async def series(backend: Backend) -> dict[tuple[str, str, str], float]:
    """Requests by method, route and status, but for the readings themselves."""
    scrape = await Scrape.of(backend)
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for family in scrape.families
        for sample in family.samples
        if sample.name == COUNT and sample.labels["route"] != "/metrics"
    }


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/health", "/health", 200),
        ("HEAD", "/health", "/health", 200),
        ("HEAD", "/docs", "/docs", 200),
        ("GET", "/openapi.json", "/openapi.json", 200),
        ("GET", "/docs/assets/favicon.png", "/docs/assets/{name}", 200),
        ("GET", "/docs/assets/favicon.jpg", "/docs/assets/{name}", 404),
        ("GET", f"/conversations/{CANARY}", "/conversations/{conversation_id}", 401),
        ("PUT", f"/conversations/{CANARY}", "/conversations/{conversation_id}", 405),
        ("OPTIONS", "/conversations", "/conversations", 405),
        ("POST", "/ai/chat", "/ai/chat", 401),
        ("GET", f"/ai/chat/stream?message={CANARY}", "/ai/chat/stream", 401),
        ("POST", "/auth/register", "/auth/register", 422),
    ],
)
async def test_a_request_counts_under_the_template_of_its_route_whatever_became_of_it(
    backend: Backend, stranger: httpx.AsyncClient, method: str, path: str, route: str, status: int
) -> None:
    answer = await stranger.request(method, path, json={} if method == "POST" else None)

    assert answer.status_code == status
    assert await series(backend) == {(method, route, str(status)): 1}
    waited = await Scrape.of(backend)
    assert waited.value(f"{WAITED}_count", method=method, route=route) == 1
    assert 0 < waited.value(f"{WAITED}_sum", method=method, route=route) < 10


async def test_what_a_user_does_is_counted_exactly(backend: Backend) -> None:
    alice = await backend.signed_up()
    for _ in range(3):
        assert (await alice.http.get("/users/me")).status_code == 200
    assert (await alice.http.get(f"/conversations/{CANARY}")).status_code == 404
    assert (await alice.http.get("/conversations/not-an-id")).status_code == 404

    assert await series(backend) == {
        ("POST", "/auth/register", "201"): 1,
        ("POST", "/auth/login", "200"): 1,
        ("GET", "/users/me", "200"): 3,
        ("GET", "/conversations/{conversation_id}", "404"): 2,
    }


async def test_an_answer_that_no_place_was_left_for_is_counted(serve: Serve, upstream: Upstream) -> None:
    backend = await serve(max_concurrent_generations=1)
    upstream.script(Answer(("1 ", "2 "), hold=True))
    alice = await backend.user()
    async with posting(alice, "Count"):
        refused = await alice.http.post("/ai/chat", json={"message": "And I?"})
        await upstream.finish()

    assert refused.status_code == 429
    assert (await series(backend))["POST", "/ai/chat", "429"] == 1


async def test_a_stream_counts_when_it_begins_and_by_the_wait_for_its_head(
    backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(("1 ", "2 "), hold=True))
    alice = await backend.user()
    began = time.monotonic()
    async with posting(alice, "Count") as reader:
        await reader.event()
        begins = time.monotonic() - began
        assert (await series(backend))["POST", "/ai/chat/stream", "200"] == 1
        await asyncio.sleep(begins + 0.5)
        await upstream.finish()
        await reader.rest()

    scrape = await Scrape.of(backend)
    assert scrape.value(f"{WAITED}_count", route="/ai/chat/stream") == 1
    assert scrape.value(f"{WAITED}_sum", route="/ai/chat/stream") <= begins


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        f"/{CANARY}",
        "/conversations/",
        f"/conversations/{CANARY}/x/y",
        "/%00",
        "/%ff",
        "/ü/测试",
        "/" + "a" * 5000,
    ],
)
async def test_an_address_that_no_route_has_is_other(backend: Backend, stranger: httpx.AsyncClient, path: str) -> None:
    assert (await stranger.get(path)).status_code == 404

    assert await series(backend) == {("GET", "other", "404"): 1}


async def test_addresses_and_methods_that_are_made_up_add_one_series_at_the_most(
    backend: Backend, stranger: httpx.AsyncClient
) -> None:
    for number in range(30):
        await stranger.request(("PROPFIND", "LOCK", "TRACE")[number % 3], f"/coffee/{CANARY}/{number}")
        await stranger.get(f"/conversations/{CANARY}{number}")
        await stranger.get(f"/coffee{number}?route=/health&status=200")

    found = await series(backend)
    assert found == {
        ("other", "other", "404"): 30,
        ("GET", "other", "404"): 30,
        ("GET", "/conversations/{conversation_id}", "401"): 30,
    }
    assert CANARY[:13] not in (await Scrape.of(backend)).text


async def test_a_client_that_leaves_before_its_answer_begins_counts_as_unanswered() -> None:
    metrics = Metrics((), "1")
    app = FastAPI(middleware=middleware(Settings(_env_file=None), problems.internal_error, metrics.traffic))

    @app.post("/things/{thing}")
    async def read(thing: str, request: Request) -> int:
        return len(await request.body())

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        raise AssertionError("nobody is there")

    scope = {"type": "http", "method": "POST", "path": "/things/a", "headers": [], "query_string": b""}
    await app(scope, gone, send)

    assert Scrape.straight(metrics).value(COUNT, method="POST", route="/things/{thing}", status="none") == 1
