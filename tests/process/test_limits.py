"""Limits of a server as it is started, with the defaults that a stranger meets."""

from pathlib import Path

import httpx
import pytest

from tests.backend import PLAIN
from tests.limits.asking import LOGIN, WEAK, assert_limited, standing, statuses
from tests.process.conftest import Launch
from tests.process.test_start import refusal
from tests.redis_server import RedisServer

DEFAULTS = {"rate_limit_ai": "30/minute", "rate_limit_auth": "20/minute", "rate_limit_default": "600/minute"}


async def test_twenty_attempts_to_sign_in_are_given(launch: Launch) -> None:
    process = await launch(**DEFAULTS)
    async with httpx.AsyncClient(base_url=process.url, trust_env=False, verify=PLAIN, timeout=20) as http:
        answers = [await http.post("/auth/register", json=WEAK) for _ in range(19)]
        answers += [await http.post("/auth/login", data=LOGIN) for _ in range(2)]

    assert statuses(answers) == [422] * 19 + [401, 429]
    assert standing(answers[19]) == (20, 0)
    assert_limited(answers[20], limit=20)


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
async def test_two_servers_on_one_redis_count_together(
    database_kind: str, launch: Launch, redis_server: RedisServer
) -> None:
    settings = {**DEFAULTS, "rate_limit_auth": "4/minute", "redis_url": redis_server.url, "redis_timeout": "10"}
    one, other = await launch(**settings), await launch(**settings)
    async with httpx.AsyncClient(trust_env=False, verify=PLAIN, timeout=20) as http:
        before = [await http.post(f"{one.url}/auth/register", json=WEAK) for _ in range(3)]
        after = [await http.post(f"{other.url}/auth/register", json=WEAK) for _ in range(2)]

    assert statuses(before + after) == [422, 422, 422, 422, 429]


async def test_a_redis_url_that_cannot_be_one_is_refused_without_its_password(tmp_path: Path) -> None:
    (line,) = (await refusal(tmp_path, REDIS_URL="http://:canary@cache")).splitlines()

    assert line.startswith("REDIS_URL: ")
    assert "canary" not in line
