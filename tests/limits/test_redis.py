"""Limits that instances share, and what is left of them while Redis is away."""

import asyncio
import logging
import time

import httpx
import pytest

from tests.backend import Backend, User
from tests.conftest import Serve
from tests.limits.asking import anybody, statuses
from tests.redis_server import RedisServer
from tests.scrape import Scrape
from tests.upstream import Upstream


async def look(user: User, times: int) -> list[int]:
    return statuses([await user.http.get("/users/me") for _ in range(times)])


async def ready(backend: Backend) -> tuple[int, str, dict[str, str]]:
    async with anybody(backend) as http:
        answer = await http.get("/ready")
        assert (await http.get("/health")).status_code == 200
    body = answer.json()
    parts = {name: state for name, state in body["parts"].items() if name in ("redis", "limits", "streams")}
    return answer.status_code, body["status"], parts


async def healed(backend: Backend) -> float:
    began = time.monotonic()
    async with asyncio.timeout(20):
        while (await ready(backend))[1] != "ready":
            await asyncio.sleep(0.05)
    return time.monotonic() - began


PATIENT = {"redis_timeout": 10}
"""More than a busy machine takes, where a test is not about that."""
AWAY = (200, "degraded", {"redis": "away", "limits": "local", "streams": "local"})
SHARED = (200, "ready", {"redis": "ok", "limits": "shared", "streams": "shared"})


async def test_without_redis_limits_are_local_and_nothing_is_missing(serve: Serve) -> None:
    assert await ready(await serve()) == (200, "ready", {"limits": "local", "streams": "local"})


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
async def test_two_instances_share_the_count(database_kind: str, serve: Serve, redis_url: str) -> None:
    settings = {"redis_url": redis_url, **PATIENT, "rate_limit_default": "5/minute", "secret_key": "5f" * 20}
    one, other = await serve(**settings), await serve(**settings)
    here, there = await one.user(), await other.user()

    assert await look(here, 3) + await look(there, 3) == [200] * 5 + [429]
    assert await ready(one) == SHARED


async def test_with_redis_away_from_the_start_everything_works(
    serve: Serve, redis_server: RedisServer, upstream: Upstream
) -> None:
    redis_server.kill()
    backend = await serve(redis_url=redis_server.url, rate_limit_ai="3/minute", rate_limit_default="600/minute")
    alice = await backend.user()

    for _ in range(3):
        assert (await alice.chat("Hello")).done["status"] == "complete"
    assert (await alice.http.post("/ai/chat", json={"message": "Hello"})).status_code == 429
    assert (await alice.http.get("/conversations")).status_code == 200
    assert await ready(backend) == AWAY
    scrape = await Scrape.of(backend)
    assert scrape.value("ai_limits_local_total", reason="away") > 3
    assert scrape.value("ai_redis_away") == 1

    redis_server.start()
    assert await healed(backend) < 6
    assert await ready(backend) == SHARED
    assert (await Scrape.of(backend)).value("ai_redis_away") == 0


@pytest.mark.parametrize("fault", ["frozen", "dead"])
async def test_requests_go_on_through_an_outage_that_is_logged_twice(
    serve: Serve, redis_server: RedisServer, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.stores")
    backend = await serve(redis_url=redis_server.url, rate_limit_default="10000/minute")
    alice = await backend.user()
    await look(alice, 3)
    redis_server.freeze() if fault == "frozen" else redis_server.kill()

    times = []
    for _ in range(60):
        began = time.monotonic()
        assert await look(alice, 1) == [200]
        times.append(time.monotonic() - began)
    assert await ready(backend) == AWAY
    assert sorted(times)[-2] < 2  # one may meet a pause of the machine
    assert sum(times) < 12  # 60 times a quarter of a second, if each had waited

    redis_server.thaw() if fault == "frozen" else redis_server.start()
    assert await healed(backend) < 6
    assert await look(alice, 5) == [200] * 5
    changes = [record.message for record in caplog.records if record.name.startswith("app.stores")]
    assert changes == ["redis is away", "redis is back"]
    assert not any(record.exc_info for record in caplog.records)


async def test_neither_addresses_nor_people_stand_in_redis(serve: Serve, redis_server: RedisServer) -> None:
    backend = await serve(
        redis_url=redis_server.url, **PATIENT, rate_limit_auth="20/minute", rate_limit_default="600/minute"
    )
    alice = await backend.user()
    await look(alice, 1)
    async with anybody(backend) as http:
        await http.get("/users/me")

    with redis_server.client() as redis:
        keys = " ".join(map(str, redis.keys("*")))
        # One word for the server as a whole stays: by its loss instances know that it was emptied.
        assert all(redis.ttl(key) > 0 for key in redis.keys("*") if key != "ai-backend:era")

    me = (await alice.http.get("/users/me")).json()
    assert "limits" in keys
    for secret in (alice.email, me["id"], "127.0.0.1"):
        assert secret not in keys


async def test_garbage_in_redis_is_no_failure(serve: Serve, redis_server: RedisServer) -> None:
    backend = await serve(redis_url=redis_server.url, **PATIENT, rate_limit_default="5/minute")
    alice = await backend.user()
    await look(alice, 1)
    with redis_server.client() as redis:
        for key in redis.keys("*limits*"):
            redis.delete(key)
            redis.rpush(key, "garbage")

    assert await look(alice, 6) == [200] * 5 + [429]
    assert await ready(backend) == SHARED
    assert (await Scrape.of(backend)).value("ai_limits_local_total", reason="unreadable") == 6


async def test_a_count_is_not_begun_anew_by_an_instance_that_is(serve: Serve, redis_url: str) -> None:
    settings = {"redis_url": redis_url, **PATIENT, "rate_limit_auth": "3/minute"}
    first = await serve(**settings)
    async with anybody(first) as http:
        await http.post("/auth/refresh", json={})
        assert [(await http.post("/auth/register", json={})).status_code for _ in range(3)] == [422] * 3
    await first.stop()

    async with anybody(await serve(**settings)) as http:
        refused: httpx.Response = await http.post("/auth/register", json={})

    assert refused.status_code == 429
