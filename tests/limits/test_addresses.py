"""Limits of whoever is not known yet: by the address, which nobody but a trusted proxy can name."""

import random

import httpx
import pytest

from tests.backend import PASSWORD
from tests.conftest import Serve
from tests.limits.asking import LOGIN, anybody, assert_limited, standing, statuses, try_registering

AUTH = {"rate_limit_auth": "20/minute"}
NAMING = ("X-Forwarded-For", "X-Real-IP", "True-Client-IP", "Fly-Client-IP", "CF-Connecting-IP")


async def test_sign_in_and_registration_share_twenty_a_minute(serve: Serve) -> None:
    backend = await serve(**AUTH)
    async with anybody(backend) as http:
        registering = await try_registering(http, 18)
        signing_in = [await http.post("/auth/login", data=LOGIN) for _ in range(3)]

    assert registering == [422] * 18
    assert statuses(signing_in) == [401, 401, 429]
    assert [standing(answer) for answer in signing_in] == [(20, 1), (20, 0), (20, 0)]
    assert_limited(signing_in[2], limit=20)


async def test_the_right_password_does_not_help_past_the_limit(serve: Serve) -> None:
    backend = await serve(rate_limit_auth="3/minute")
    alice = await backend.signed_up()
    async with anybody(backend) as http:
        right = {"username": alice.email, "password": PASSWORD}
        answers = [await http.post("/auth/login", data=right) for _ in range(2)]

    assert statuses(answers) == [200, 429]
    assert (await alice.http.get("/users/me")).status_code == 200


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register"])
async def test_a_body_past_the_limit_is_not_read(serve: Serve, path: str) -> None:
    backend = await serve(rate_limit_auth="1/minute")
    async with anybody(backend) as http:
        await try_registering(http, 1)

        assert_limited(await http.post(path, content=b"\xff{"), limit=1)


async def test_refreshing_counts_with_the_rest_by_address(serve: Serve) -> None:
    backend = await serve(rate_limit_auth="1/minute", rate_limit_default="3/minute")
    async with anybody(backend) as http:
        answers = [await http.post("/auth/refresh", json={"refresh_token": "none"}) for _ in range(4)]

    assert statuses(answers) == [401, 401, 401, 429]


@pytest.mark.parametrize(
    "sent", [{}, {"Authorization": "Bearer garbage"}, {"X-API-Key": "garbage"}, {"Cookie": "session=garbage"}]
)
async def test_credentials_that_are_not_valid_are_not_tried_for_ever(serve: Serve, sent: dict[str, str]) -> None:
    backend = await serve(rate_limit_default="3/minute")
    async with anybody(backend) as http:
        answers = [await http.get("/users/me", headers=sent) for _ in range(4)]
    alice = await backend.user()

    assert statuses(answers) == [401, 401, 401, 429]
    assert_limited(answers[3], limit=3)
    assert (await alice.http.get("/users/me")).status_code == 200


def _random_address(numbers: random.Random) -> str:
    return ".".join(str(numbers.randrange(1, 255)) for _ in range(4))


@pytest.mark.parametrize("header", [*NAMING, "Forwarded", "all"])
async def test_whoever_names_an_address_of_his_own_does_not_escape(serve: Serve, header: str) -> None:
    backend = await serve(**AUTH)
    numbers = random.Random(48)  # noqa: S311
    answers = []
    async with anybody(backend) as http:
        for _ in range(200):
            address = _random_address(numbers)
            named = dict.fromkeys(NAMING, address) | {"Forwarded": f"for={address};proto=https"}
            sent = named if header == "all" else {header: named[header]}
            answers += await try_registering(http, 1, sent)

    assert answers == [422] * 20 + [429] * 180


async def test_behind_a_trusted_proxy_each_client_counts_by_itself(serve: Serve) -> None:
    backend = await serve(rate_limit_auth="2/minute", trusted_proxies="127.0.0.1")
    async with anybody(backend) as http:
        for client in ("203.0.113.7", "203.0.113.8"):
            assert await try_registering(http, 3, {"X-Forwarded-For": client}) == [422, 422, 429]


async def test_behind_a_trusted_proxy_an_invented_hop_does_not_help(serve: Serve) -> None:
    backend = await serve(**AUTH, trusted_proxies="127.0.0.1")
    numbers = random.Random(48)  # noqa: S311
    async with anybody(backend) as http:
        answers = [
            *await _with(http, [{"X-Forwarded-For": f"{_random_address(numbers)}, 203.0.113.7"} for _ in range(30)])
        ]

    assert answers == [422] * 20 + [429] * 10


async def test_with_ipv6_a_network_of_64_bits_counts_as_one(serve: Serve) -> None:
    backend = await serve(rate_limit_auth="3/minute", trusted_proxies="127.0.0.1")
    addresses = [
        "2001:db8:1:2::1",
        "2001:db8:1:2:ffff::9",
        "2001:db8:1:2:3:4:5:6",
        "2001:db8:1:2::7",
        "2001:db8:1:3::1",
    ]
    async with anybody(backend) as http:
        answers = await _with(http, [{"X-Forwarded-For": address} for address in addresses])

    assert answers == [422, 422, 422, 429, 422]


async def test_ipv4_within_ipv6_is_the_same_client(serve: Serve) -> None:
    backend = await serve(rate_limit_auth="2/minute", trusted_proxies="127.0.0.1")
    async with anybody(backend) as http:
        answers = await _with(
            http, [{"X-Forwarded-For": each} for each in ("203.0.113.7", "::ffff:203.0.113.7", "203.0.113.7")]
        )

    assert answers == [422, 422, 429]


async def _with(http: httpx.AsyncClient, headers: list[dict[str, str]]) -> list[int]:
    return [status for each in headers for status in await try_registering(http, 1, each)]
