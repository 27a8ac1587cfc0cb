"""Claims about one's own account."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.routers.conftest import Logs, Person, browser, new_address, sign_in, sign_up

ME = "/users/me"


async def change(client: httpx.AsyncClient, person: Person, **body: Any) -> httpx.Response:
    return await client.patch(ME, json=body, headers=person.bearer)


async def test_a_user_sees_the_own_account(client: httpx.AsyncClient, person: Person) -> None:
    answer = await client.get(ME, headers=person.bearer)
    assert answer.status_code == 200
    assert answer.json().keys() == {"id", "email", "name", "role", "is_active", "created_at"}
    assert answer.headers["cache-control"] == "no-store"


async def test_a_name_is_changed_and_taken_off(client: httpx.AsyncClient, person: Person) -> None:
    assert (await change(client, person, name=" Ada ")).json()["name"] == "Ada"
    assert (await change(client, person)).json()["name"] == "Ada"
    assert (await change(client, person, name=None)).json()["name"] is None


@pytest.mark.parametrize("field", ["password", "new_password"])
async def test_a_new_password_ends_every_other_session(client: httpx.AsyncClient, person: Person, field: str) -> None:
    other = await sign_in(client, person.email, person.password)
    answer = await change(client, person, **{field: "canary-new-password"}, current_password=person.password)
    assert answer.status_code == 200
    assert (await client.get(ME, headers=person.bearer)).status_code == 200
    assert (await client.get(ME, headers=other.bearer)).status_code == 401
    assert (await client.post("/auth/refresh", json={"refresh_token": other.refresh})).status_code == 401
    assert (await client.post("/auth/refresh", json={"refresh_token": person.refresh})).status_code == 200
    client.cookies.clear()
    await sign_in(client, person.email, "canary-new-password")
    old = await client.post("/auth/login", data={"username": person.email, "password": person.password})
    assert old.status_code == 401


async def test_a_new_address_is_signed_in_with(client: httpx.AsyncClient, person: Person) -> None:
    other, address = await sign_up(client), new_address()
    changed = await change(client, person, email=address.upper(), current_password=person.password)
    assert changed.json()["email"] == address
    await sign_in(client, address, person.password)
    taken = await change(client, person, email=other.email, current_password=person.password)
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")


@pytest.mark.parametrize("body", [{"password": "canary-new-password"}, {"email": "canary@example.com"}], ids=str)
async def test_what_signs_one_in_is_changed_only_with_the_password(
    client: httpx.AsyncClient, person: Person, logs: Logs, body: dict[str, str]
) -> None:
    missing = await change(client, person, **body)
    assert (missing.status_code, missing.json()["code"]) == (422, "validation_error")
    wrong = await change(client, person, **body, current_password="canary-wrong")
    assert (wrong.status_code, wrong.json()["code"]) == (403, "forbidden")
    assert "canary" not in missing.text + wrong.text + logs.getvalue()
    assert (await client.get(ME, headers=person.bearer)).json()["email"] == person.email
    await sign_in(client, person.email, person.password)


@pytest.mark.parametrize(
    "body",
    [
        {"role": "admin"},
        {"is_active": False},
        {"id": "0"},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"password_hash": "x"},
        {"name": 7},
        {"name": ""},
        {"email": "nobody"},
        {"password": "short", "current_password": "canary-password"},
        {"password": "long-enough-1", "new_password": "long-enough-2", "current_password": "canary-password"},
    ],
    ids=str,
)
async def test_nobody_changes_more_than_that(client: httpx.AsyncClient, person: Person, body: dict[str, Any]) -> None:
    before = (await client.get(ME, headers=person.bearer)).json()
    assert (await change(client, person, **body)).status_code == 422
    assert (await client.get(ME, headers=person.bearer)).json() == before


async def test_a_deleted_account_is_gone_with_its_sessions(client: httpx.AsyncClient, person: Person) -> None:
    other = await sign_in(client, person.email, person.password)
    assert (await client.delete(ME, headers=person.bearer)).status_code == 204
    for bearer in (person.bearer, other.bearer):
        assert (await client.get(ME, headers=bearer)).status_code == 401
    assert (await client.post("/auth/refresh", json={"refresh_token": other.refresh})).status_code == 401
    login = await client.post("/auth/login", data={"username": person.email, "password": person.password})
    assert login.status_code == 401
    again = await client.post("/auth/register", json={"email": person.email, "password": "canary-password"})
    assert again.status_code == 201


async def test_an_account_is_deleted_once_however_often_it_is_asked(app: FastAPI, person: Person) -> None:
    async with browser(app) as client:
        answers = await asyncio.gather(*(client.delete(ME, headers=person.bearer) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {204, 401}
    assert any(answer.status_code == 204 for answer in answers)


async def test_the_last_administrator_stays(client: httpx.AsyncClient, admin: Person) -> None:
    answer = await client.delete(ME, headers=admin.bearer)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await client.get(ME, headers=admin.bearer)).status_code == 200


async def test_accounts_do_not_wait_for_the_hashes_of_others(client: httpx.AsyncClient, person: Person) -> None:
    form = {"username": person.email, "password": "wrong-password"}
    logins = [asyncio.create_task(client.post("/auth/login", data=form)) for _ in range(30)]
    await asyncio.sleep(0.02)
    began = time.perf_counter()
    assert (await client.get(ME, headers=person.bearer)).status_code == 200
    took = time.perf_counter() - began
    pending = sum(not login.done() for login in logins)
    await asyncio.gather(*logins)
    assert pending > 15
    assert took < 1
