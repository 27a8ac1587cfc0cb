"""Who may read the metrics, and as what they come."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from tests.routers.conftest import serving
from tests.scrape import Scrape

TOKEN = "a-token-for-Prometheus-ключ"


@pytest.fixture(scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FastAPI]:
    """With a token set, behind a proxy that is trusted."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    async with serving(folder, metrics_token=TOKEN, trusted_proxies="127.0.0.1, 10.0.0.0/8") as app:
        yield app


async def ask(
    app: FastAPI, peer: str, headers: dict[bytes, bytes] | None = None, method: str = "GET"
) -> httpx.Response:
    """Ask over a connection from this address."""
    transport = httpx.ASGITransport(app, client=(peer, 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, "/metrics", headers=headers)


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"Authorization": f"Bearer {token}".encode()}


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
async def test_from_this_machine_they_are_open(guarded: FastAPI, peer: str) -> None:
    answer = await ask(guarded, peer)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    scrape = Scrape(answer.text)
    assert scrape.value("ai_build_info") == 1
    assert scrape.value("process_resident_memory_bytes") > 1e6


@pytest.mark.parametrize("peer", ["203.0.113.7", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "nonsense", ""])
async def test_from_elsewhere_they_take_the_token(guarded: FastAPI, peer: str) -> None:
    for headers in (None, bearer("another"), bearer(""), bearer(TOKEN + "x"), {b"Authorization": TOKEN.encode()}):
        refused = await ask(guarded, peer, headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "ai_" not in refused.text

    assert (await ask(guarded, peer, bearer(TOKEN))).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        (b"X-Forwarded-For", b"127.0.0.1"),
        (b"X-Forwarded-For", b""),
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Forwarded-Host", b"localhost"),
        (b"Forwarded", b"for=127.0.0.1"),
        (b"Fly-Client-IP", b"127.0.0.1"),
        (b"X-Real-IP", b"::1"),
        (b"Via", b"1.1 proxy"),
    ],
)
async def test_what_came_through_a_proxy_on_this_machine_is_not_from_it(
    guarded: FastAPI, header: tuple[bytes, bytes]
) -> None:
    assert (await ask(guarded, "127.0.0.1", dict([header]))).status_code == 401
    assert (await ask(guarded, "127.0.0.1", dict([header]) | bearer(TOKEN))).status_code == 200


@pytest.mark.parametrize("token", ["", TOKEN, "None", "null"])
async def test_where_no_token_is_set_none_is_right(app: FastAPI, token: str) -> None:
    assert (await ask(app, "203.0.113.7", bearer(token))).status_code == 401
    assert (await ask(app, "127.0.0.1")).status_code == 200


async def test_they_answer_those_who_only_look_and_nobody_who_writes(guarded: FastAPI) -> None:
    looked = await ask(guarded, "127.0.0.1", method="HEAD")
    written = await ask(guarded, "127.0.0.1", method="POST")

    assert (looked.status_code, looked.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert (await ask(guarded, "203.0.113.7", method="HEAD")).status_code == 401
    assert (written.status_code, written.headers["allow"]) == (405, "GET, HEAD")


async def test_the_description_says_that_they_are_text(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()["paths"]["/metrics"]

    assert described.keys() == {"get"}
    assert described["get"]["responses"]["200"]["content"].keys() == {"text/plain"}
