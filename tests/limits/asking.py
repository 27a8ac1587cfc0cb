"""What tests of limits ask again and again."""

from collections.abc import Iterable, Mapping

import httpx

from tests.backend import PLAIN, Backend

LOGIN = {"username": "nobody@example.com", "password": "wrong password"}
WEAK = {"email": "nobody@example.com", "password": "short"}
"""A registration that fails before anything costly is done."""


def statuses(answers: Iterable[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


def standing(answer: httpx.Response) -> tuple[int, int] | None:
    """How many are allowed and how many are left, as the headers say it; None without such headers."""
    if "ratelimit-limit" not in answer.headers:
        return None
    assert 1 <= int(answer.headers["ratelimit-reset"]) <= 3600
    return int(answer.headers["ratelimit-limit"]), int(answer.headers["ratelimit-remaining"])


def assert_limited(answer: httpx.Response, *, limit: int) -> None:
    """429 as everywhere: a problem, with when to come back and where one stands."""
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (429, 429, "rate_limited")
    assert answer.headers["content-type"] == "application/problem+json"
    assert standing(answer) == (limit, 0)
    assert answer.headers["retry-after"] == answer.headers["ratelimit-reset"]
    assert body["request_id"] == answer.headers["x-request-id"]


def anybody(backend: Backend) -> httpx.AsyncClient:
    """Without credentials."""
    return httpx.AsyncClient(base_url=backend.url, timeout=20, trust_env=False, verify=PLAIN)


async def try_registering(http: httpx.AsyncClient, times: int, headers: Mapping[str, str] | None = None) -> list[int]:
    """Attempts that fail, at little cost."""
    return statuses([await http.post("/auth/register", json=WEAK, headers=headers) for _ in range(times)])
