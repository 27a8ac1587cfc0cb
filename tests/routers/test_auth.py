"""Claims about registration, signing in, refreshing and signing out."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Executable, create_engine, select, update

from app.core.config import Settings
from app.domain.identity import Role
from app.models.identity import sessions, users
from tests.routers.conftest import ADMIN, Logs, Person, browser, new_address, serving, sign_in, sign_up

REGISTER = "/auth/register"
ME = "/users/me"


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code), answer.text
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body.keys() >= {"type", "title", "detail"}
    return answer.status_code == status


def alter(folder: Path, statement: Executable) -> None:
    """Behind the application's back, as time or an administrator would."""
    engine = create_engine(f"sqlite:///{folder}/app.db")
    with engine.begin() as connection:
        connection.execute(statement)
    engine.dispose()


# Registration


async def test_registration_answers_the_user_and_nothing_secret(client: httpx.AsyncClient) -> None:
    body = {"email": "Ada@Example.COM", "password": "canary-password", "name": "  Ada Lovelace "}
    answer = await client.post(REGISTER, json=body)
    assert answer.status_code == 201
    user = answer.json()
    assert user.keys() == {"id", "email", "name", "role", "is_active", "created_at"}
    assert (user["email"], user["name"], user["role"], user["is_active"]) == (
        "ada@example.com",
        "Ada Lovelace",
        "user",
        True,
    )
    assert user["created_at"].endswith("Z")
    assert datetime.fromisoformat(user["created_at"])
    assert answer.headers["cache-control"] == "no-store"


async def test_one_address_is_one_account_however_it_is_written(client: httpx.AsyncClient) -> None:
    spellings = ["zoë@example.com", "ZOË@EXAMPLE.COM", "zoe\u0308@example.com"]
    answers = [await client.post(REGISTER, json={"email": one, "password": "canary-password"}) for one in spellings]
    assert [answer.status_code for answer in answers] == [201, 409, 409]
    assert is_problem(answers[1], 409, "email_taken")
    await sign_in(client, "Zoe\u0308@example.com", "canary-password")


async def test_fifty_at_once_for_one_address_make_one_account(client: httpx.AsyncClient) -> None:
    body = {"email": "race@example.com", "password": "canary-password"}
    answers = await asyncio.gather(*(client.post(REGISTER, json=body) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49


@pytest.mark.parametrize(
    "extra",
    [
        {"role": "admin"},
        {"is_admin": True},
        {"is_active": True},
        {"id": "0"},
        {"user_id": "0"},
        {"password_hash": "x"},
        {"hashed_password": "x"},
        {"created_at": "2020-01-01"},
        {"quota": 1},
        {"token_version": 1},
    ],
    ids=str,
)
async def test_nobody_sets_more_than_registration_takes(client: httpx.AsyncClient, extra: dict[str, Any]) -> None:
    body = {"email": new_address(), "password": "canary-password"}
    assert is_problem(await client.post(REGISTER, json=body | extra), 422, "validation_error")
    assert (await client.post(REGISTER, json=body)).json()["role"] == "user"


@pytest.mark.parametrize(
    "email",
    [
        "",
        "canary",
        "@canary.test",
        "canary@",
        "a@b@canary.test",
        "can ary@example.com",
        "canary\n@example.com",
        "canary\x00@example.com",
        "canary\u200b@example.com",
        "canary\ud800@example.com",
        "canary@example..com",
        "canary@.example.com",
        "canary@-example.com",
        "canary@exa_mple.com",
        "canary@exam ple.com",
        "canary,other@example.com",
        "<canary@example.com>",
        "c" * 65 + "@canary.test",
        "canary@" + "c" * 64 + ".test",
        "canary@" + "c." * 200 + "test",
        None,
        7,
        ["canary@example.com"],
        {"canary": 1},
    ],
    ids=ascii,
)
async def test_what_is_no_address_is_refused(client: httpx.AsyncClient, logs: Logs, email: object) -> None:
    answer = await client.post(REGISTER, content=_json({"email": email, "password": "canary-password"}), headers=JSON)
    assert is_problem(answer, 422, "validation_error")
    assert answer.json()["errors"][0]["loc"][:2] == ["body", "email"]
    assert "canary" not in answer.text + logs.getvalue()


@pytest.mark.parametrize(
    "email", ["ada@localhost", "ada@box.local", "a@b.test", "用户@例子.测试", "o'brien+tag@ex.org"]
)
async def test_addresses_of_servers_of_ones_own_are_good(client: httpx.AsyncClient, email: str) -> None:
    answer = await client.post(REGISTER, json={"email": email, "password": "canary-password"})
    assert (answer.status_code, answer.json()["email"]) == (201, email)


@pytest.mark.parametrize(
    "email",
    ["a" * 1_000_000, "a@" + "a." * 500_000, "@" * 1_000_000, "a@" + "\u0344" * 300_000],
    ids=lambda email: ascii(email[:9]),
)
async def test_a_giant_address_is_refused_at_once(client: httpx.AsyncClient, email: str) -> None:
    began = time.thread_time()
    answer = await client.post(REGISTER, json={"email": email, "password": "canary-password"})
    assert time.thread_time() - began < 0.5
    assert is_problem(answer, 422, "validation_error")
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    "password",
    ["", "canary7", "c" * 1025, "canary\x00password", "canary-\ud800", None, 12345678],
    ids=lambda value: ascii(value)[:20],
)
async def test_a_password_out_of_bounds_is_refused(client: httpx.AsyncClient, logs: Logs, password: object) -> None:
    body = _json({"email": "p@example.com", "password": password})
    answer = await client.post(REGISTER, content=body, headers=JSON)
    assert is_problem(answer, 422, "validation_error")
    assert "canary" not in answer.text + logs.getvalue()


@pytest.mark.parametrize("name", ["", "   ", "n" * 201, "nul\x00", "\udfff", 7])
async def test_a_name_out_of_bounds_is_refused(client: httpx.AsyncClient, name: object) -> None:
    body = _json({"email": "n@example.com", "password": "canary-password", "name": name})
    assert is_problem(await client.post(REGISTER, content=body, headers=JSON), 422, "validation_error")


async def test_registration_can_be_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, registration_open=False) as app, browser(app) as client:
        answer = await client.post(REGISTER, json={"email": "late@example.com", "password": "canary-password"})
    assert is_problem(answer, 403, "registration_closed")


# Bodies that are none

JSON = {"Content-Type": "application/json"}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{canary", "invalid_json"),
        (b"", "validation_error"),
        (b'{"email": "canary\xff"}', "invalid_json"),
        (b'"\xed\xa0\x80"', "validation_error"),
        (b"[" * 100_000 + b"]" * 100_000, "invalid_json"),
        (b'{"a":' * 100_000, "invalid_json"),
        (b'{"email": ' + b"1" * 5000 + b"}", "invalid_json"),
        (b"null", "validation_error"),
        (b"[]", "validation_error"),
        (b'"canary"', "validation_error"),
        (b"NaN", "validation_error"),
        (b'{"\\ud800canary": 1}', "validation_error"),
        (b'{"email": {"\\udfff": "canary"}}', "validation_error"),
        (b"{" + b",".join(b'"k%d": 1' % n for n in range(50_000)) + b"}", "validation_error"),
        (b'{"' + b"k" * 1_000_000 + b'": 1}', "validation_error"),
    ],
    ids=lambda value: ascii(value[:24]),
)
async def test_a_body_that_is_none_of_ours_is_refused_in_few_words(
    client: httpx.AsyncClient, body: bytes, code: str
) -> None:
    for path in (REGISTER, "/auth/refresh"):
        answer = await client.post(path, content=body, headers=JSON)
        assert is_problem(answer, 400 if code == "invalid_json" else 422, code)
        assert len(answer.content) < 10_000
        answer.content.decode()
        if code == "invalid_json":
            assert "canary" not in answer.text


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x"]
)
async def test_json_under_another_type_is_refused(client: httpx.AsyncClient, media_type: str) -> None:
    body = _json({"email": "plain@example.com", "password": "canary-password"})
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await client.post(REGISTER, content=body, headers=headers)
    assert is_problem(answer, 415, "unsupported_media_type")


async def test_json_of_a_dialect_is_json(client: httpx.AsyncClient) -> None:
    body = _json({"email": "plus@example.com", "password": "canary-password"})
    answer = await client.post(
        REGISTER, content=body, headers={"Content-Type": "application/vnd.x+json; charset=utf-8"}
    )
    assert answer.status_code == 201


async def test_a_body_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    async def chunks() -> Any:
        for _ in range(40):
            yield b" " * 100_000

    whole = await client.post(REGISTER, content=b" " * 3_000_000, headers=JSON)
    assert is_problem(whole, 413, "payload_too_large")
    chunked = await client.post(REGISTER, content=chunks(), headers=JSON)
    assert is_problem(chunked, 413, "payload_too_large")


# Signing in

FORM = "application/x-www-form-urlencoded"


async def test_signing_in_gives_a_pair_that_opens_the_account(client: httpx.AsyncClient, person: Person) -> None:
    answer = await client.post("/auth/login", data={"username": person.email.upper(), "password": person.password})
    body = answer.json()
    assert body.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", 1800)
    assert answer.headers["cache-control"] == "no-store"
    client.cookies.clear()
    me = await client.get(ME, headers={"Authorization": f"bearer {body['access_token']}"})
    assert me.json()["email"] == person.email


async def test_a_wrong_password_and_an_unknown_address_are_answered_alike(
    client: httpx.AsyncClient, person: Person
) -> None:
    async def try_(email: str) -> tuple[int, dict[str, Any], float]:
        began = time.perf_counter()
        answer = await client.post("/auth/login", data={"username": email, "password": "wrong-password"})
        took = time.perf_counter() - began
        assert answer.headers["www-authenticate"] == "Bearer"
        return answer.status_code, answer.json() | {"request_id": None}, took

    # In turns, so that whatever else the machine does falls on both.
    tries = [(await try_(person.email), await try_("nobody@example.com")) for _ in range(10)]
    known, unknown = zip(*tries, strict=True)
    assert known[0][:2] == unknown[0][:2]
    assert (known[0][0], known[0][1]["code"]) == (401, "bad_credentials")
    # The quickest of each, which what else the machine does has held up least.
    ratio = min(one[2] for one in known) / min(one[2] for one in unknown)
    assert 0.5 < ratio < 2


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("nobody\x00@example.com", "canary-password"),
        (ADMIN["username"], "canary\x00password"),
        (ADMIN["username"], "c" * 1025),
        (ADMIN["username"], "c" * 15_000),
        ("c" * 15_000, "canary-password"),
        ("' OR 1=1 --", "canary-password"),
        (ADMIN["username"] + "\x00", ADMIN["password"]),
        (ADMIN["username"], ADMIN["password"] + "\x00"),
        (" " + ADMIN["username"], ADMIN["password"]),
    ],
    ids=lambda value: ascii(value[:24]),
)
async def test_impossible_credentials_are_just_wrong(
    client: httpx.AsyncClient, logs: Logs, username: str, password: str
) -> None:
    answer = await client.post("/auth/login", data={"username": username, "password": password})
    assert is_problem(answer, 401, "bad_credentials")
    assert "canary" not in answer.text + logs.getvalue()


@pytest.mark.parametrize("field", ["username", "password"])
async def test_half_a_surrogate_pair_from_a_form_is_just_wrong(client: httpx.AsyncClient, field: str) -> None:
    values = {"username": "nobody@example.com", "password": "canary-password", field: "\\ud800"}
    parts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in values.items()
    )
    media_type = "multipart/form-data; boundary=x; charset=unicode_escape"
    answer = await client.post("/auth/login", content=f"{parts}--x--\r\n", headers={"Content-Type": media_type})
    assert is_problem(answer, 401, "bad_credentials")


@pytest.mark.parametrize(
    ("media_type", "body", "status"),
    [
        (FORM, b"", 422),
        (FORM, b"username=canary", 422),
        (FORM, b"username=a&password=canary-password&grant_type=canary", 422),
        (FORM, b"&".join(b"a%d=1" % n for n in range(2000)), 400),
        (FORM, b"username=\xff%ff%00&password=%c0%80", 401),
        ("application/json", b'{"username": "a", "password": "canary"}', 422),
        ("multipart/form-data", b"canary", 400),
        ("multipart/form-data; boundary=x", b"canary", 400),
        ("multipart/form-data; boundary=x; charset=canary", b"--x--", 422),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="username"; filename="f"\r\n\r\ncanary\r\n--x--\r\n',
            422,
        ),
    ],
    ids=lambda value: ascii(value[:40]) if isinstance(value, bytes) else str(value),
)
async def test_a_form_that_is_none_is_refused(
    client: httpx.AsyncClient, media_type: str, body: bytes, status: int
) -> None:
    answer = await client.post("/auth/login", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == status, answer.text
    assert "canary" not in answer.text


async def test_an_inactive_user_is_refused_whatever_they_hold(
    client: httpx.AsyncClient, person: Person, folder: Path
) -> None:
    alter(folder, update(users).where(users.c.email == person.email).values(is_active=False))
    login = await client.post("/auth/login", data={"username": person.email, "password": person.password})
    assert is_problem(login, 401, "bad_credentials")
    assert is_problem(await client.get(ME, headers=person.bearer), 401, "unauthenticated")
    assert (await client.post("/auth/refresh", json={"refresh_token": person.refresh})).status_code == 401
    assert (await client.get(ME, headers={"Cookie": f"session={person.access}"})).status_code == 401


# Refreshing


async def refreshed(client: httpx.AsyncClient, token: str) -> httpx.Response:
    answer = await client.post("/auth/refresh", json={"refresh_token": token})
    client.cookies.clear()
    return answer


async def test_a_refresh_spends_the_token_and_a_quick_repeat_is_harmless(
    client: httpx.AsyncClient, person: Person
) -> None:
    fresh = await refreshed(client, person.refresh)
    assert fresh.status_code == 200
    assert is_problem(await refreshed(client, person.refresh), 409, "refresh_in_progress")
    assert (await client.get(ME, headers=person.bearer)).status_code == 200
    assert (await refreshed(client, fresh.json()["refresh_token"])).status_code == 200


async def test_a_late_repeat_ends_the_session(client: httpx.AsyncClient, person: Person, folder: Path) -> None:
    other = await sign_in(client, person.email, person.password)
    fresh = (await refreshed(client, person.refresh)).json()
    mine = sessions.c.user_id.in_(select(users.c.id).where(users.c.email == person.email))
    alter(folder, update(sessions).where(mine).values(rotated_at=datetime.now(UTC) - timedelta(seconds=6)))
    assert is_problem(await refreshed(client, person.refresh), 401, "unauthenticated")
    assert (await refreshed(client, fresh["refresh_token"])).status_code == 401
    thief = {"Authorization": f"Bearer {fresh['access_token']}"}
    assert (await client.get(ME, headers=thief)).status_code == 401
    assert (await client.get(ME, headers=other.bearer)).status_code == 200


async def test_a_token_before_the_last_ends_the_session(client: httpx.AsyncClient, person: Person) -> None:
    second = (await refreshed(client, person.refresh)).json()["refresh_token"]
    third = (await refreshed(client, second)).json()["refresh_token"]
    assert (await refreshed(client, person.refresh)).status_code == 401
    assert (await refreshed(client, third)).status_code == 401


async def test_of_twenty_refreshes_at_once_one_succeeds(client: httpx.AsyncClient, person: Person) -> None:
    answers = await asyncio.gather(*(refreshed(client, person.refresh) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    winner = next(answer for answer in answers if answer.status_code == 200).json()
    assert (await refreshed(client, winner["refresh_token"])).status_code == 200


async def test_an_access_token_refreshes_nothing(client: httpx.AsyncClient, person: Person) -> None:
    assert is_problem(await refreshed(client, person.access), 401, "unauthenticated")
    assert (await client.get(ME, headers={"Authorization": f"Bearer {person.refresh}"})).status_code == 401


@pytest.mark.parametrize("token", ["", "canary", "a.b.c", "c" * 1_000_000], ids=lambda token: token[:9])
async def test_what_is_no_refresh_token_is_401(client: httpx.AsyncClient, token: str) -> None:
    answer = await refreshed(client, token)
    assert is_problem(answer, 401, "unauthenticated")
    assert "canary" not in answer.text


@pytest.mark.parametrize("body", [{}, {"refresh_token": None}, {"refresh_token": 0}, {"refresh_token": []}], ids=str)
async def test_a_missing_refresh_token_is_422(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert is_problem(await client.post("/auth/refresh", json=body), 422, "validation_error")


# Signing out


async def test_signing_out_ends_access_refresh_and_cookie(client: httpx.AsyncClient, person: Person) -> None:
    other = await sign_in(client, person.email, person.password)
    answer = await client.post("/auth/logout", headers=person.bearer)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get(ME, headers=person.bearer)).status_code == 401
    assert (await client.get(ME, headers={"Cookie": f"session={person.access}"})).status_code == 401
    assert (await refreshed(client, person.refresh)).status_code == 401
    assert (await client.get(ME, headers=other.bearer)).status_code == 200


async def test_the_cookie_is_cleared_as_it_was_set(tmp_path: Path) -> None:
    async def attributes(answer: httpx.Response) -> set[str]:
        return {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}

    for environment, secure in (("development", False), ("production", True)):
        folder = tmp_path / environment
        folder.mkdir()
        async with (
            serving(
                folder,
                environment=environment,
                secret_key="0f1e2d3c4b5a69788796a5b4c3d2e1f0",
                first_admin_email="a@b.test",
            ) as app,
            browser(app) as client,
        ):
            signed_in = await client.post("/auth/login", data=ADMIN | {"username": "a@b.test"})
            bearer = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
            signed_out = await client.post("/auth/logout", headers=bearer)
        made, cleared = await attributes(signed_in), await attributes(signed_out)
        assert made >= {"httponly", "samesite=lax", "path=/", "max-age=1800"}
        assert ("secure" in made) is secure
        assert {one for one in cleared if not one.startswith(("max-age", "expires"))} == made - {"max-age=1800"}
        assert "max-age=0" in cleared


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_foreign_page_cannot_sign_its_visitor_in(client: httpx.AsyncClient, person: Person, site: str) -> None:
    form = {"username": person.email, "password": person.password}
    answer = await client.post("/auth/login", data=form, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    body = {"refresh_token": answer.json()["refresh_token"]}
    assert "set-cookie" not in (await client.post("/auth/refresh", json=body, headers={"Sec-Fetch-Site": site})).headers


# Credentials


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer null"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer ' OR 1=1 --"},
        {"X-API-Key": ""},
        {"X-API-Key": "canary"},
        {"Cookie": "session="},
        {"Cookie": "session=canary"},
        {"Cookie": "session=a; session=b; =;;"},
    ],
    ids=str,
)
async def test_without_good_credentials_there_is_nothing(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.get(ME, headers=headers)
    assert is_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_credentials_come_before_the_body(client: httpx.AsyncClient) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        for _ in range(500):
            read += 100_000
            yield b"x" * 100_000

    for body in (b"{", b'{"role": "admin"}', endless()):
        answer = await client.patch(ME, content=body, headers=JSON)
        assert is_problem(answer, 401, "unauthenticated")
    assert read == 0
    big = await client.patch(ME, content=b"x" * 5_000_000, headers=JSON)
    assert is_problem(big, 401, "unauthenticated")


async def test_a_bad_header_is_not_saved_by_a_good_cookie(client: httpx.AsyncClient, person: Person) -> None:
    cookie = {"Cookie": f"session={person.access}"}
    assert (await client.get(ME, headers=cookie)).status_code == 200
    for header in ({"Authorization": "Bearer x"}, {"Authorization": ""}, {"X-API-Key": "x"}):
        assert (await client.get(ME, headers=cookie | header)).status_code == 401


async def test_a_header_wins_over_the_cookie(client: httpx.AsyncClient, person: Person) -> None:
    other = await sign_up(client)
    me = await client.get(ME, headers=person.bearer | {"Cookie": f"session={other.access}"})
    assert me.json()["email"] == person.email


@pytest.mark.parametrize("host", ["x/health?", "x#", "x?", "a@b", "user:pw@test:80", "[::1", "test\\health", ""])
async def test_the_host_header_decides_nothing(client: httpx.AsyncClient, person: Person, host: str) -> None:
    assert (await client.get(ME, headers={"Host": host})).status_code == 401
    assert (await client.get(ME, headers=person.bearer | {"Host": host})).status_code == 200


async def test_under_the_cookie_only_this_sites_pages_may_change_things(
    client: httpx.AsyncClient, person: Person
) -> None:
    cookie = {"Cookie": f"session={person.access}"}
    for foreign in (
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Referer": "https://evil.test/"},
    ):
        answer = await client.patch(ME, json={"name": "Eve"}, headers=cookie | foreign)
        assert is_problem(answer, 403, "cross_origin")
        assert (await client.post("/auth/logout", headers=cookie | foreign)).status_code == 403
        assert (await client.get(ME, headers=cookie | foreign)).status_code == 200
        with_header = await client.patch(ME, json={"name": "Ada"}, headers=person.bearer | foreign)
        assert with_header.status_code == 200
    for own in ({"Origin": "http://test"}, {"Sec-Fetch-Site": "same-origin"}, {"Referer": "http://test/"}, {}):
        answer = await client.patch(ME, json={"name": "Ada"}, headers=cookie | own)
        assert answer.status_code == 200


async def test_a_browser_keeps_the_cookie_and_needs_nothing_else(app: FastAPI, person: Person) -> None:
    page = {"Origin": "http://test", "Sec-Fetch-Site": "same-origin"}
    async with browser(app) as client:
        await client.post("/auth/login", data={"username": person.email, "password": person.password}, headers=page)
        assert (await client.get(ME)).json()["email"] == person.email
        assert (await client.post("/auth/logout", headers=page)).status_code == 204
        assert (await client.get(ME)).status_code == 401
        assert not client.cookies


async def test_nothing_secret_is_logged(client: httpx.AsyncClient, logs: Logs) -> None:
    person = await sign_up(client)
    await refreshed(client, person.refresh)
    await client.get(f"{ME}?token=canary-query", headers=person.bearer)
    for secret in (person.password, person.access, person.refresh, "canary", "argon2"):
        assert secret not in logs.getvalue()
    assert {entry["path"] for entry in logs.entries} >= {REGISTER, "/auth/login", "/auth/refresh", ME}


# The first administrator


async def test_the_first_administrator_comes_from_the_settings(client: httpx.AsyncClient, admin: Person) -> None:
    me = (await client.get(ME, headers=admin.bearer)).json()
    assert (me["email"], me["role"]) == ("admin@example.com", Role.ADMIN)


async def test_a_made_up_password_is_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str], logs: Logs) -> None:
    async with serving(tmp_path, first_admin_password=None) as app, browser(app) as client:
        shown = capsys.readouterr().out
        password = next(line.split()[-1] for line in shown.splitlines() if "password" in line)
        assert len(password) == 20
        await sign_in(client, "admin@example.com", password)
    async with serving(tmp_path, first_admin_password=None):
        assert "password" not in capsys.readouterr().out
    assert password not in logs.getvalue()


async def test_production_makes_no_administrator_by_itself(tmp_path: Path) -> None:
    production = {"environment": "production", "secret_key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}
    async with serving(tmp_path, first_admin_password=None, **production) as app, browser(app) as client:
        answer = await client.post(REGISTER, json={"email": ADMIN["username"], "password": "canary-password"})
        assert answer.json()["role"] == "user"
    # The address is taken now, by somebody: nobody is promoted.
    async with serving(tmp_path, first_admin_email=ADMIN["username"], **production) as app, browser(app) as client:
        person = await sign_in(client, ADMIN["username"], "canary-password")
        assert (await client.get(ME, headers=person.bearer)).json()["role"] == "user"


async def test_of_two_that_start_together_one_makes_the_administrator(tmp_path: Path, logs: Logs) -> None:
    production = {"environment": "production", "secret_key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}
    async with serving(tmp_path, first_admin_password=None, **production) as app:
        accounts, settings = app.state.house.accounts, Settings(_env_file=None)
        made = await asyncio.gather(*(accounts.ensure_first_admin(settings) for _ in range(2)))

    assert len([admin for admin in made if admin is not None]) == 1
    assert "no first admin was made" not in logs.getvalue()


async def test_the_key_of_the_tokens_outlives_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as app, browser(app) as client:
        person = await sign_up(client)
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    async with serving(tmp_path) as app, browser(app) as client:
        assert (await client.get(ME, headers=person.bearer)).status_code == 200


async def test_a_short_password_is_said_to_be_short_in_characters(client: httpx.AsyncClient) -> None:
    answer = await client.post("/auth/register", json={"email": "shorty@example.com", "password": "short"})

    (error,) = answer.json()["errors"]
    assert error["loc"] == ["body", "password"]
    assert "at least 8 characters" in error["msg"]
