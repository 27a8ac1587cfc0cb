"""Signing in as owners, guessers and floods do."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from app.domain.audit import Action
from app.models.audit import audit_events
from app.models.identity import users
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, is_problem
from tests.backend import DEAR_HASHES, PASSWORD, Backend
from tests.conftest import Serve

HOME, OFFICE, ELSEWHERE = "192.0.2.1", "192.0.2.2", "203.0.113.9"
EMAIL = "owner@example.com"


@pytest.fixture
async def guarded(serve: Serve) -> Backend:
    """Failures are limited as by default; requests are not. Clients come from where they say."""
    return await serve(login_failures="10/15 minutes", trusted_proxies=["127.0.0.1"])


@pytest.fixture
async def dear(serve: Serve) -> Backend:
    """The same with hashes that cost what they do by default."""
    return await serve(login_failures="10/15 minutes", trusted_proxies=["127.0.0.1"], **DEAR_HASHES)


def at(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def log_in(backend: Backend, password: str, where: str, *, email: str = EMAIL) -> httpx.Response:
    form = {"username": email, "password": password}
    return await ask(backend, "POST", "/auth/login", data=form, headers=at(where))


async def guess(backend: Backend, times: int, where: str, *, email: str = EMAIL) -> list[int]:
    return [(await log_in(backend, f"wrong {n}", where, email=email)).status_code for n in range(times)]


async def open_account(backend: Backend, email: str = EMAIL) -> None:
    body = {"email": email, "password": PASSWORD}
    assert (await ask(backend, "POST", "/auth/register", json=body, headers=at(HOME))).status_code == 201


def bearer(signed_in: httpx.Response) -> dict[str, str]:
    assert signed_in.status_code == 200, signed_in.text
    return {"Authorization": f"Bearer {signed_in.json()['access_token']}"}


def locked(answer: httpx.Response) -> bool:
    assert is_problem(answer, 429, "account_locked")
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert EMAIL not in answer.text
    return True


async def acts(database_url: str, *actions: Action) -> Sequence[Mapping[str, Any]]:
    statement = select(audit_events).where(audit_events.c.action.in_(actions)).order_by(audit_events.c.id)
    return [dict(row) for row in await rows(database_url, statement)]


# The lock


async def test_after_ten_failures_even_the_right_password_waits(guarded: Backend) -> None:
    await open_account(guarded)
    assert await guess(guarded, 50, ELSEWHERE) == [401] * 10 + [429] * 40
    assert locked(await log_in(guarded, PASSWORD, ELSEWHERE))


async def test_a_second_account_from_there_is_not_concerned(guarded: Backend) -> None:
    await open_account(guarded)
    await open_account(guarded, "second@example.com")
    await guess(guarded, 11, ELSEWHERE)
    assert (await log_in(guarded, PASSWORD, ELSEWHERE, email="second@example.com")).status_code == 200


async def test_many_addresses_have_ten_guesses_together(guarded: Backend) -> None:
    await open_account(guarded)
    answers = [await log_in(guarded, "wrong", f"198.51.100.{n}") for n in range(15)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 5
    assert locked(await log_in(guarded, PASSWORD, "198.51.100.99"))


async def test_of_many_guesses_at_once_ten_are_heard(guarded: Backend) -> None:
    await open_account(guarded)
    answers = await asyncio.gather(*(log_in(guarded, "wrong", f"198.51.100.{n}") for n in range(30)))
    assert Counter(answer.status_code for answer in answers) == {401: 10, 429: 20}


async def test_where_the_owner_is_signed_in_the_owner_gets_in(guarded: Backend) -> None:
    await open_account(guarded)
    home = bearer(await log_in(guarded, PASSWORD, HOME))
    await guess(guarded, 12, ELSEWHERE)
    assert locked(await log_in(guarded, PASSWORD, OFFICE))
    assert (await log_in(guarded, PASSWORD, HOME)).status_code == 200
    assert (await ask(guarded, "GET", "/users/me", headers=home)).status_code == 200
    # That it was the owner is no reason to let strangers try again.
    assert locked(await log_in(guarded, "wrong", ELSEWHERE))


async def test_what_was_opened_before_goes_on(guarded: Backend) -> None:
    await open_account(guarded)
    pair = (await log_in(guarded, PASSWORD, HOME)).json()
    own = {"Authorization": f"Bearer {pair['access_token']}"}
    key = (await ask(guarded, "POST", "/users/me/api-keys", json={"name": "ci"}, headers=own)).json()["key"]
    await guess(guarded, 12, ELSEWHERE)
    for credential in (own, {"X-API-Key": key}):
        assert (await ask(guarded, "GET", "/users/me", headers=credential | at(OFFICE))).status_code == 200
    fresh = await ask(guarded, "POST", "/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert fresh.status_code == 200


async def test_guesses_beside_the_owner_are_ten_too_and_count_for_all(guarded: Backend) -> None:
    await open_account(guarded)
    await log_in(guarded, PASSWORD, HOME)
    assert await guess(guarded, 12, HOME) == [401] * 10 + [429] * 2
    assert locked(await log_in(guarded, PASSWORD, HOME))
    assert locked(await log_in(guarded, PASSWORD, ELSEWHERE))


async def test_a_stolen_session_that_wanders_makes_no_new_guesses(guarded: Backend) -> None:
    await open_account(guarded)
    pair = (await log_in(guarded, PASSWORD, HOME)).json()
    found: Counter[int] = Counter()
    for n in range(6):
        where = f"198.51.100.{n}"
        body = {"refresh_token": pair["refresh_token"]}
        pair = (await ask(guarded, "POST", "/auth/refresh", json=body, headers=at(where))).json()
        found.update(await guess(guarded, 4, where))
    assert found == {401: 10, 429: 14}


async def test_signing_in_begins_the_count_anew(guarded: Backend) -> None:
    await open_account(guarded)
    for _ in range(3):
        assert await guess(guarded, 9, HOME) == [401] * 9
        assert (await log_in(guarded, PASSWORD, HOME)).status_code == 200


async def test_a_session_that_has_ended_makes_no_place_familiar(guarded: Backend) -> None:
    await open_account(guarded)
    home = bearer(await log_in(guarded, PASSWORD, HOME))
    await ask(guarded, "POST", "/auth/logout", headers=home)
    await guess(guarded, 12, ELSEWHERE)
    assert locked(await log_in(guarded, PASSWORD, HOME))


@pytest.mark.parametrize("email", ["nobody@example.com", "no address", "", "\x00", "a" * 3000])
async def test_an_account_that_is_not_there_is_locked_alike(guarded: Backend, email: str) -> None:
    await open_account(guarded)
    there = [await log_in(guarded, "wrong", ELSEWHERE) for _ in range(12)]
    other = [await log_in(guarded, "wrong", ELSEWHERE, email=email or " ") for _ in range(12)]
    for one, two in zip(there, other, strict=True):
        assert one.status_code == two.status_code
        assert one.json() | {"request_id": ""} == two.json() | {"request_id": ""}
        assert one.headers.keys() == two.headers.keys()


async def test_one_account_is_one_count_however_it_is_written(guarded: Backend) -> None:
    await open_account(guarded)
    spellings = ["OWNER@example.com", "owner@EXAMPLE.com"]
    for n in range(10):
        await log_in(guarded, "wrong", ELSEWHERE, email=spellings[n % 2])
    assert locked(await log_in(guarded, "wrong", ELSEWHERE))


async def test_the_right_password_of_a_disabled_account_is_just_wrong(guarded: Backend, database_url: str) -> None:
    await open_account(guarded)
    await alter(database_url, update(users).where(users.c.email == EMAIL).values(is_active=False))
    answers = [(await log_in(guarded, PASSWORD, HOME)).status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]


async def test_without_a_limit_nothing_is_locked(backend: Backend) -> None:
    user = await backend.user("owner")
    answers = [await log_in(backend, "wrong", ELSEWHERE, email=user.email) for _ in range(15)]
    assert {answer.status_code for answer in answers} == {401}


async def test_the_current_password_is_guessed_no_more_often(guarded: Backend) -> None:
    await open_account(guarded)
    stolen = bearer(await log_in(guarded, PASSWORD, HOME))
    mine = bearer(await log_in(guarded, PASSWORD, OFFICE))

    async def change(headers: dict[str, str], current: str, where: str) -> httpx.Response:
        body = {"password": "quite another secret", "current_password": current}
        return await ask(guarded, "PATCH", "/users/me", json=body, headers=headers | at(where))

    answers = [await change(stolen, "wrong", f"198.51.100.{n}") for n in range(12)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429] * 2
    assert locked(await change(stolen, PASSWORD, HOME))
    name = await ask(guarded, "PATCH", "/users/me", json={"name": "Still me"}, headers=stolen)
    assert name.status_code == 200
    assert (await change(mine, PASSWORD, OFFICE)).status_code == 200


async def test_strangers_beside_an_owner_do_not_use_up_the_owners_guesses(guarded: Backend) -> None:
    await open_account(guarded)
    mine = bearer(await log_in(guarded, PASSWORD, OFFICE))
    for _ in range(11):
        await log_in(guarded, "wrong", OFFICE)
    assert locked(await log_in(guarded, PASSWORD, OFFICE))
    body = {"password": "quite another secret", "current_password": PASSWORD}
    changed = await ask(guarded, "PATCH", "/users/me", json=body, headers=mine | at(OFFICE))
    assert changed.status_code == 200


# Equal answers


async def test_unknown_and_wrong_cost_the_same(serve: Serve) -> None:
    backend = await serve(**DEAR_HASHES)
    user = await backend.signed_up("owner")
    times: dict[str, list[float]] = {user.email: [], "nobody@example.com": []}
    for _ in range(30):
        for email, found in times.items():
            began = time.perf_counter()
            answer = await log_in(backend, "wrong", ELSEWHERE, email=email)
            found.append(time.perf_counter() - began)
            assert is_problem(answer, 401, "bad_credentials")
    known, unknown = (statistics.median(found) for found in times.values())
    assert 0.6 < known / unknown < 1.7


# The form


@pytest.mark.parametrize("body", [b"&" * 2_000_000, b"username=" + b"a" * 20_000, b"a=%00" * 10_000])
async def test_a_form_that_is_too_long_is_not_read(backend: Backend, body: bytes) -> None:
    async def parts() -> Any:
        for at in range(0, len(body), 10_000):
            yield body[at : at + 10_000]

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    began = time.process_time()
    for content in (body, parts()):
        answer = await ask(backend, "POST", "/auth/login", content=content, headers=headers)
        assert is_problem(answer, 413, "payload_too_large")
    assert time.process_time() - began < 0.8  # to parse all of it took 1.0


async def test_the_longest_password_fits_into_the_form(backend: Backend) -> None:
    await backend.user("owner")
    assert is_problem(await log_in(backend, "🔑" * 1024, HOME), 401, "bad_credentials")
    assert is_problem(await log_in(backend, "🔑" * 1025, HOME), 401, "bad_credentials")


# On record


async def test_every_act_is_on_record_with_who_and_where(
    guarded: Backend, database_url: str, database_kind: str
) -> None:
    await open_account(guarded)
    pair = (await log_in(guarded, PASSWORD, HOME)).json()
    own = {"Authorization": f"Bearer {pair['access_token']}"} | at(HOME)
    changes = {"name": "Ada", "email": "moved@example.com", "password": "quite another secret"}
    body = changes | {"current_password": PASSWORD}
    assert (await ask(guarded, "PATCH", "/users/me", json=body, headers=own)).status_code == 200
    assert (await ask(guarded, "POST", "/auth/logout", headers=own)).status_code == 204
    found = [row for row in await acts(database_url, *Action) if row["actor"] != "shell"]
    assert [row["action"] for row in found] == [
        Action.REGISTERED,
        Action.SIGNED_IN,
        Action.PROFILE_CHANGED,
        Action.EMAIL_CHANGED,
        Action.PASSWORD_CHANGED,
        Action.SIGNED_OUT,
    ]
    (owner,) = {row["target_id"] for row in found}
    assert found[0]["actor"] == "nobody"
    for row in found[1:]:
        assert (row["actor"], row["actor_id"]) == ("session", owner)
    assert {row["address"] for row in found} == {HOME}
    assert all(row["request_id"] for row in found)


async def test_failures_are_on_record_and_a_lock_is_once(guarded: Backend, database_url: str) -> None:
    await open_account(guarded)
    await asyncio.gather(*(log_in(guarded, f"wrong-{n}", ELSEWHERE) for n in range(25)))
    await guess(guarded, 20, ELSEWHERE, email="nobody-at-all@example.com")
    failed = await acts(database_url, Action.SIGN_IN_FAILED)
    assert Counter(row["target_id"] is None for row in failed) == {False: 10, True: 10}
    assert len(await acts(database_url, Action.SIGN_IN_LOCKED)) == 2
    assert "wrong-" not in str(failed)
    assert "nobody-at-all" not in str(failed)


async def test_a_refresh_token_that_was_spent_long_ago_is_on_record(guarded: Backend, database_url: str) -> None:
    await open_account(guarded)
    first = (await log_in(guarded, PASSWORD, HOME)).json()["refresh_token"]
    second = (await ask(guarded, "POST", "/auth/refresh", json={"refresh_token": first})).json()["refresh_token"]
    await ask(guarded, "POST", "/auth/refresh", json={"refresh_token": second})
    assert (await ask(guarded, "POST", "/auth/refresh", json={"refresh_token": first})).status_code == 401
    (reused,) = await acts(database_url, Action.REFRESH_REUSED)
    assert reused["target_id"]


# A flood


async def test_a_flood_is_turned_away_and_leaves_few_rows(dear: Backend, database_url: str) -> None:
    """What is verified is counted and on record; for the rest there is neither room nor a row."""
    knocks = [log_in(dear, "wrong", f"198.51.100.{n % 250}", email=f"{n}@example.com") for n in range(200)]
    answers = await asyncio.gather(*knocks)
    outcomes = Counter(answer.status_code for answer in answers)
    assert outcomes.keys() <= {401, 503}
    assert outcomes[503]
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
    assert len(await acts(database_url, Action.SIGN_IN_FAILED)) == outcomes[401]
    await open_account(dear)
    assert (await log_in(dear, PASSWORD, HOME)).status_code == 200
