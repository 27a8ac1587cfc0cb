"""Celery's queue in Redis: where it is, under whose names, and what happens when it is away."""

from pathlib import Path
from typing import Any

import pytest

from app.stores.breaker import Away
from app.stores.celery_post import CeleryPost, celery_settings
from tests.redis_server import RedisServer


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://cache", "redis://cache:6379/0"),
        ("redis://[::1]:6380/2", "redis://[::1]:6380/2"),
        ("redis://cache/1?db=3", "redis://cache:6379/3"),
        ("redis://:p%40ss@cache:6380/2", "redis://:p%40ss@cache:6380/2"),
        ("rediss://ada:p%2Fw@cache/2", "redis://ada:p%2Fw@cache:6379/2"),
        ("unix:///run/re%20dis.sock?db=4", "redis+socket:///run/re%20dis.sock?virtual_host=4"),
    ],
)
def test_the_queue_is_in_the_same_redis_however_its_address_is_spelled(url: str, broker: str) -> None:
    assert celery_settings(url)["broker_url"] == broker


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("redis://cache", None),
        ("rediss://cache", {"ssl_cert_reqs": "required"}),
        ("rediss://cache?ssl_cert_reqs=none", {"ssl_cert_reqs": "none"}),
        (
            "rediss://cache?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=false",
            {"ssl_cert_reqs": "required", "ssl_ca_certs": "/etc/ca.pem", "ssl_check_hostname": False},
        ),
    ],
)
def test_a_connection_that_is_to_be_secure_is_checked_as_everywhere(url: str, tls: dict[str, Any] | None) -> None:
    assert celery_settings(url)["broker_use_ssl"] == tls


@pytest.mark.parametrize("over", ["tcp", "unix"])
async def test_messages_are_sent_with_a_password_to_a_numbered_database(
    over: str, redis_server: RedisServer, tmp_path: Path
) -> None:
    redis_server.kill()
    redis_server.start("--requirepass", "p@ss/w", "--unixsocket", str(tmp_path / "redis.sock"))
    place = f"127.0.0.1:{redis_server.port}/3" if over == "tcp" else f"{tmp_path}/redis.sock?db=3"
    post = CeleryPost(f"{'redis' if over == 'tcp' else 'unix'}://:p%40ss%2Fw@{place}")

    await post.send(["one", "two"])

    assert await post.length() == 2


async def test_all_that_is_kept_in_redis_bears_our_name(redis_server: RedisServer) -> None:
    post = CeleryPost(redis_server.url)

    await post.send(["one"])

    with redis_server.client() as redis:
        names = redis.keys("*")
        assert isinstance(names, list)
        assert [name for name in names if "ai-backend:jobs" not in name] == []


async def test_a_redis_that_is_away_is_given_up_and_used_again_when_it_is_back(
    redis_server: RedisServer,
) -> None:
    post = CeleryPost(redis_server.url)
    await post.send(["one"])

    redis_server.kill()
    with pytest.raises(Away):
        await post.send(["two"])
    with pytest.raises(Away):
        await post.length()
    redis_server.start()

    assert await post.length() == 0
    await post.send(["three"])
    assert await post.length() == 1
