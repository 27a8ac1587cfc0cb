"""API keys: made by a sign-in, shown once, good for what they name, and gone when they are taken away."""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import insert, select, text, update

from app.database import database_url as parse_url
from app.domain.identity import Role
from app.models.audit import audit_events
from app.models.chat import conversations
from app.models.generations import idempotency_records
from app.models.identity import api_keys, users
from app.services.authorization import Credentials
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, is_problem
from tests.backend import Backend, User
from tests.conftest import Serve
from tests.holding import held
from tests.routers.conftest import Logs
from tests.upstream import Upstream

MINE = "/users/me/api-keys"
RETRY = {"Idempotency-Key": "the first"}


def by_bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def by_header(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


EITHER = [by_bearer, by_header]


async def made(user: User, *, headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
    return await user.http.post(MINE, json={"name": "tests", **body}, headers=headers)


async def key_of(user: User, **body: Any) -> str:
    answer = await made(user, **body)
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key


async def listed(user: User) -> list[dict[str, Any]]:
    answer = await user.http.get(MINE, params={"limit": 100})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def opens(backend: Backend, key: str) -> int:
    """The status through either header, which is the same one."""
    statuses = {(await ask(backend, "GET", "/users/me", headers=way(key))).status_code for way in EITHER}
    (status,) = statuses
    return status


# Made and shown


async def test_a_key_is_shown_once_and_opens_through_either_header(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()

    answer = await made(alice, name=" My notebook 笔记本 ")

    key = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"sk-[A-Za-z0-9_-]{43}", key.pop("key"))
    assert key == {
        "id": key["id"],
        "name": "My notebook 笔记本",
        "prefix": answer.json()["key"][:10],
        "scopes": None,
        "expires_at": None,
        "created_at": key["created_at"],
        "last_used_at": None,
    }
    assert await listed(alice) == [key]
    for way in EITHER:
        me = await ask(backend, "GET", "/users/me", headers=way(answer.json()["key"]))
        assert (me.status_code, me.json()["email"]) == (200, alice.email)


async def test_what_is_kept_is_a_hash(backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    key = (await made(alice, headers=RETRY)).json()["key"]
    kept = [
        dict(row)
        for table in (api_keys, audit_events, idempotency_records, users)
        for row in await rows(database_url, select(table))
    ]
    assert kept[0]["key_hash"] == hashlib.sha256(key.encode()).hexdigest()
    assert key not in repr(kept)
    assert key[10:] not in repr(kept)


async def test_no_list_or_answer_shows_a_key_or_its_hash(backend: Backend) -> None:
    alice = await backend.user()
    key = await key_of(alice)
    shown = json.dumps(await listed(alice)) + (await alice.http.get("/users/me")).text
    assert key[10:] not in shown
    assert hashlib.sha256(key.encode()).hexdigest() not in shown


async def test_two_keys_are_never_alike(backend: Backend) -> None:
    alice = await backend.user()
    keys = {await key_of(alice) for _ in range(20)}
    assert len(keys) == 20


async def test_keys_are_listed_the_newest_first_and_by_pages(database_kind: str, backend: Backend) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    for number in range(5):
        await key_of(alice, name=f"key {number}")
    await key_of(bob, name="of bob")
    names: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await alice.http.get(MINE, params={"limit": 2, "cursor": cursor})).json()
        assert len(page["items"]) <= 2
        names += [each["name"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert names == [f"key {number}" for number in (4, 3, 2, 1, 0)]
    assert is_problem(await alice.http.get(MINE, params={"cursor": "nonsense"}), 422, "invalid_cursor")


async def test_scopes_are_answered_without_doubles(backend: Backend) -> None:
    alice = await backend.user()
    answer = await made(alice, scopes=["rag", "models:gpt-*", "chat", "rag", "models:gpt-*"])
    assert answer.json()["scopes"] == ["rag", "models:gpt-*", "chat"]
    assert (await listed(alice))[0]["scopes"] == ["rag", "models:gpt-*", "chat"]


async def test_a_time_of_expiry_is_answered_in_utc(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    answer = await made(alice, expires_at="2100-01-01T00:00:00.123456+08:00")
    assert answer.json()["expires_at"] == "2099-12-31T16:00:00.123456Z"
    assert (await listed(alice))[0]["expires_at"] == "2099-12-31T16:00:00.123456Z"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": None},
        {"name": 7},
        {"name": "n" * 201},
        {"name": "a\x00b"},
        {"name": "a\ud800b"},
        {"name": "a", "key": "sk-of-my-own"},
        {"name": "a", "user_id": "01991d40-0000-7000-8000-000000000000"},
        {"name": "a", "scopes": []},
        {"name": "a", "scopes": "chat"},
        {"name": "a", "scopes": {"chat": True}},
        {"name": "a", "scopes": [None]},
        {"name": "a", "scopes": [["chat"]]},
        {"name": "a", "scopes": ["everything"]},
        {"name": "a", "scopes": ["CHAT"]},
        {"name": "a", "scopes": ["chat\n"]},
        {"name": "a", "scopes": ["models:"]},
        {"name": "a", "scopes": ["models:" + "m" * 201]},
        {"name": "a", "scopes": ["models:a\x00b"]},
        {"name": "a", "scopes": ["models:a\nb"]},
        {"name": "a", "scopes": ["models:a\u200bb"]},
        {"name": "a", "scopes": ["models:a\ud800b"]},
        {"name": "a", "scopes": ["chat"] * 51},
        {"name": "a", "expires_at": ""},
        {"name": "a", "expires_at": "tomorrow"},
        {"name": "a", "expires_at": "2100-01-01"},
        {"name": "a", "expires_at": "2100-01-01T00:00:00"},
        {"name": "a", "expires_at": 4102444800},
        {"name": "a", "expires_at": "4102444800"},
        {"name": "a", "expires_at": True},
        {"name": "a", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "a", "expires_at": "9999-12-31T23:59:59-23:00"},
        {"name": "a", "expires_at": "0001-01-01T00:00:00+23:00"},
        {"name": "a", "expires_at": "2100-01-01T00:00:00Z" + "0" * 100_000},
    ],
    ids=lambda body: ascii(body)[:60],
)
async def test_what_no_key_can_be_like_is_refused(backend: Backend, body: dict[str, Any]) -> None:
    alice = await backend.user()
    headers = {"Content-Type": "application/json"}
    answer = await alice.http.post(MINE, content=json.dumps(body), headers=headers)
    assert is_problem(answer, 422, "validation_error")
    assert await listed(alice) == []


async def test_a_key_that_would_be_good_for_nothing_is_refused_with_that_reason(backend: Backend) -> None:
    answer = await made(await backend.user(), scopes=[])
    assert "good for nothing" in answer.json()["errors"][0]["msg"]


async def test_a_user_has_at_most_100_keys_however_many_are_asked_for_at_once(
    database_kind: str, backend: Backend, database_url: str
) -> None:
    alice = await backend.user()
    me = (await alice.http.get("/users/me")).json()["id"]
    await alter(database_url, *(_row(me, f"sk-{number:043}") for number in range(95)))

    answers = await asyncio.gather(*(made(alice) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 15
    assert all(is_problem(answer, 409, "too_many_keys") for answer in answers if answer.status_code == 409)
    assert len(await listed(alice)) == 100
    assert (await made(await backend.user("bob"))).status_code == 201
    assert (await alice.http.delete(f"{MINE}/{(await listed(alice))[0]['id']}")).status_code == 204
    assert (await made(alice)).status_code == 201


# A retry


async def test_twenty_equal_requests_at_once_make_one_key(database_kind: str, serve: Serve) -> None:
    one = await serve()
    other = one if database_kind == "sqlite" else await serve()
    here, there = await one.user(), await other.user()

    answers = await asyncio.gather(*(made(user, headers=RETRY) for user in (here, there) * 10))

    (first,) = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer is not first]
    assert all(is_problem(answer, 409, "already_made") for answer in refused)
    assert {answer.json()["id"] for answer in refused} == {first.json()["id"]}
    assert not any(first.json()["key"] in answer.text for answer in refused)
    assert [each["id"] for each in await listed(here)] == [first.json()["id"]]


async def test_a_retry_tells_the_id_of_the_key_even_when_that_was_deleted(backend: Backend) -> None:
    alice = await backend.user()
    first = (await made(alice, headers=RETRY)).json()["id"]
    assert (await alice.http.delete(f"{MINE}/{first}")).status_code == 204
    retry = await made(alice, headers=RETRY)
    assert is_problem(retry, 409, "already_made")
    assert retry.json().keys() == {"type", "title", "status", "detail", "code", "request_id", "id"}
    assert retry.json()["id"] == first
    assert await listed(alice) == []


async def test_a_retry_is_told_so_although_the_time_it_names_has_come(backend: Backend) -> None:
    alice = await backend.user()
    soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    first = await made(alice, headers=RETRY, expires_at=soon)
    assert first.status_code == 201
    await asyncio.sleep(3.1)
    assert is_problem(await made(alice, headers=RETRY, expires_at=soon), 409, "already_made")
    assert is_problem(await made(alice, expires_at=soon), 422, "validation_error")


async def test_the_same_idempotency_key_with_another_body_is_refused(backend: Backend) -> None:
    alice = await backend.user()
    assert (await made(alice, headers=RETRY, scopes=["chat"])).status_code == 201
    for body in ({"scopes": ["files"]}, {}, {"name": "another", "scopes": ["chat"]}):
        assert is_problem(await made(alice, headers=RETRY, **body), 422, "idempotency_key_reused")
    assert len(await listed(alice)) == 1


async def test_what_was_refused_is_not_on_record(backend: Backend) -> None:
    alice = await backend.user()
    assert is_problem(await made(alice, headers=RETRY, scopes=["admin"]), 403, "forbidden")
    assert (await made(alice, headers=RETRY, scopes=["chat"])).status_code == 201


async def test_an_idempotency_key_is_its_users_own(backend: Backend) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    assert (await made(alice, headers=RETRY)).status_code == 201
    assert (await made(bob, headers=RETRY)).status_code == 201


# Taken away


async def test_a_deleted_key_is_refused_by_every_instance_from_the_next_request_on(
    database_kind: str, serve: Serve
) -> None:
    one = await serve()
    other = one if database_kind == "sqlite" else await serve()
    alice = await one.user()
    key, kept = (await made(alice)).json(), await key_of(alice)
    assert [await opens(each, key["key"]) for each in (one, other)] == [200, 200]

    deleted = await alice.http.delete(f"{MINE}/{key['id']}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert [await opens(each, key["key"]) for each in (one, other)] == [401, 401]
    assert await opens(other, kept) == 200
    assert is_problem(await alice.http.delete(f"{MINE}/{key['id']}"), 404, "not_found")


async def test_nobody_deletes_the_key_of_another(backend: Backend) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    key = (await made(alice)).json()
    unknown = await bob.http.delete(f"{MINE}/{uuid4()}")
    foreign = await bob.http.delete(f"{MINE}/{key['id']}")
    assert is_problem(unknown, 404, "not_found")
    assert is_problem(foreign, 404, "not_found")
    assert foreign.json()["detail"] == unknown.json()["detail"]
    for nonsense in ("1", "null", "%00", "x" * 300, "' OR 1=1 --", "密"):
        assert is_problem(await bob.http.delete(f"{MINE}/{nonsense}"), 404, "not_found")
    assert await opens(backend, key["key"]) == 200


async def test_a_key_is_refused_once_it_has_expired(database_kind: str, backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    key = await key_of(alice, expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert await opens(backend, key) == 200
    await alter(database_url, update(api_keys).values(expires_at=datetime.now(UTC)))
    assert await opens(backend, key) == 401
    assert len(await listed(alice)) == 1


async def test_a_key_falls_with_its_owner(database_kind: str, backend: Backend, database_url: str) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    key, other = await key_of(alice), await key_of(bob)
    active = update(users).where(users.c.email == alice.email)
    await alter(database_url, active.values(is_active=False))
    assert (await opens(backend, key), await opens(backend, other)) == (401, 200)
    await alter(database_url, active.values(is_active=True))
    assert await opens(backend, key) == 200
    assert (await alice.http.delete("/users/me")).status_code == 204
    assert await opens(backend, key) == 401
    hashes = [row["key_hash"] for row in await rows(database_url, select(api_keys))]
    assert hashes == [hashlib.sha256(other.encode()).hexdigest()]


async def test_signing_out_leaves_keys_alone(backend: Backend) -> None:
    alice = await backend.user()
    key = await key_of(alice)
    assert (await alice.http.post("/auth/logout")).status_code == 204
    assert await opens(backend, key) == 200


# What it may do


@pytest.mark.parametrize("way", EITHER)
async def test_a_key_makes_shows_and_deletes_no_keys(backend: Backend, way: Any) -> None:
    alice = await backend.user()
    key = (await made(alice)).json()
    asked = [("GET", MINE), ("POST", MINE), ("DELETE", f"{MINE}/{key['id']}")]
    for method, path in asked:
        body = {"name": "another"} if method == "POST" else None
        answer = await ask(backend, method, path, headers=way(key["key"]), json=body)
        assert is_problem(answer, 403, "sign_in_required")
    assert [each["id"] for each in await listed(alice)] == [key["id"]]


@pytest.mark.parametrize("way", EITHER)
@pytest.mark.parametrize(
    ("scopes", "status"), [(None, 200), (["chat"], 200), (["models:echo"], 200), (["files", "rag"], 403)], ids=str
)
async def test_a_key_is_good_for_its_scopes_alone(
    backend: Backend, way: Any, scopes: list[str] | None, status: int
) -> None:
    alice = await backend.user()
    headers = way(await key_of(alice, scopes=scopes))
    answer = await ask(backend, "POST", "/ai/chat", json={"message": "Hello"}, headers=headers)
    assert answer.status_code == status, answer.text
    assert status == 200 or is_problem(answer, 403, "insufficient_scope")
    assert (await ask(backend, "GET", "/conversations", headers=headers)).status_code == status
    assert (await ask(backend, "GET", "/users/me", headers=headers)).status_code == 200


async def test_the_scope_admin_is_for_admins_and_counts_while_they_are(serve: Serve, database_url: str) -> None:
    backend = await serve()
    alice = await backend.user()
    assert is_problem(await made(alice, scopes=["chat", "admin"]), 403, "forbidden")
    role = update(users).where(users.c.email == alice.email)
    await alter(database_url, role.values(role=Role.ADMIN.value))
    named, unnamed = await key_of(alice, scopes=["admin"]), await key_of(alice)

    async def is_admin(key: str) -> bool:
        return (await backend.house.authorization.authorise(Credentials(api_key=key))).is_admin

    assert (await is_admin(named), await is_admin(unnamed)) == (True, False)
    await alter(database_url, role.values(role=Role.USER.value))
    assert not await is_admin(named)


async def test_a_key_sees_and_uses_the_models_that_it_names(serve: Serve, upstream: Upstream) -> None:
    upstream.models = ("echo", "other", "gpt-[4]")
    backend = await serve(default_model="openai/other")
    alice = await backend.user()
    headers = by_bearer(await key_of(alice, scopes=["models:ec*", "models:openai/gpt-[4]"]))

    async def say(**body: Any) -> httpx.Response:
        return await ask(backend, "POST", "/ai/chat", json={"message": "Hello", **body}, headers=headers)

    models = (await ask(backend, "GET", "/ai/models", headers=headers)).json()["items"]
    assert [(each["id"], each["default"]) for each in models] == [("openai/echo", False), ("openai/gpt-[4]", False)]
    for model in ("echo", "openai/echo", "gpt-[4]"):
        assert (await say(model=model)).status_code == 200
    calls = len(upstream.calls)
    for model in ("other", "openai/other"):
        assert is_problem(await say(model=model), 403, "insufficient_scope")
    default = await say()
    assert is_problem(default, 403, "insufficient_scope")
    assert "openai/other" in default.json()["detail"]
    assert len(upstream.calls) == calls


async def test_a_key_goes_on_in_a_conversation_only_with_a_model_that_it_names(
    backend: Backend, upstream: Upstream, database_url: str
) -> None:
    upstream.models = ("echo", "other")
    alice = await backend.user()
    kept = (await alice.chat("Hello", model="other")).start["conversation_id"]
    headers = by_bearer(await key_of(alice, scopes=["models:echo"]))

    async def go_on(**body: Any) -> httpx.Response:
        body = {"message": "And?", "conversation_id": kept, **body}
        return await ask(backend, "POST", "/ai/chat", json=body, headers=headers)

    assert is_problem(await go_on(), 403, "insufficient_scope")
    assert [row["model"] for row in await rows(database_url, select(conversations))] == ["openai/other"]
    assert (await go_on(model="echo")).status_code == 200
    assert (await go_on()).status_code == 200


# When it was last used


async def test_the_last_use_is_noted_once_a_minute(database_kind: str, backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    key = await key_of(alice)

    async def last_use() -> datetime:
        assert await opens(backend, key) == 200
        return datetime.fromisoformat((await listed(alice))[0]["last_used_at"])

    first = await last_use()
    assert abs(datetime.now(UTC) - first) < timedelta(seconds=30)
    assert await last_use() == first
    for ago, noted in ((45, False), (61, True)):
        before = datetime.now(UTC) - timedelta(seconds=ago)
        await alter(database_url, update(api_keys).values(last_used_at=before))
        assert (await last_use() != before) is noted


async def test_many_requests_at_once_note_one_use(database_kind: str, backend: Backend, database_url: str) -> None:
    key = await key_of(await backend.user())
    assert await asyncio.gather(*(opens(backend, key) for _ in range(20))) == [200] * 20
    (row,) = await rows(database_url, select(api_keys))
    assert row["last_used_at"] is not None


async def test_a_refused_key_is_not_used(backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    key = await key_of(alice)
    await alter(database_url, update(users).values(is_active=False))
    assert await opens(backend, key) == 401
    (row,) = await rows(database_url, select(api_keys))
    assert row["last_used_at"] is None


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_a_database_that_takes_no_writes_lets_a_key_read(
    database_kind: str, serve: Serve, database_url: str
) -> None:
    backend = await serve()
    key = await key_of(await backend.user())
    await backend.stop()
    await alter(
        database_url,
        text(f'ALTER DATABASE "{parse_url(database_url).database}" SET default_transaction_read_only = on'),
    )
    again = await serve()
    assert await opens(again, key) == 200
    (row,) = await rows(database_url, select(api_keys))
    assert row["last_used_at"] is None


async def test_a_database_that_is_kept_from_writing_holds_no_key_up(serve: Serve, database_url: str) -> None:
    backend = await serve(database_statement_timeout=1)
    key = await key_of(await backend.user())
    async with held(database_url.partition("///")[2]):
        began = time.monotonic()
        assert [await opens(backend, key) for _ in range(10)] == [200] * 10
        assert time.monotonic() - began < 12


# What else is shown as a credential


NO_KEYS = (
    b"",
    b"sk-",
    b"sk-" + b"a" * 42,
    b"sk-" + b"a" * 43,  # of the form, and nobody's
    b"sk-" + b"a" * 44,
    b"' OR 1=1; SELECT pg_sleep(10) --",
    b"sk-' OR pg_sleep(10) IS NULL OR '1'='1xxxxxxxxx",
    b"sk-" + b"%" * 43,
    "sk-é".encode("latin-1") + b"\xff" * 41,
    "sk-密钥".encode() * 5,
    b"sk-\xed\xa0\x80" + b"a" * 40,
    b"a.b.c",
    b"." * 4000,
    b"k" * 50_000,
)


async def test_whatever_is_no_key_is_401_through_either_header(
    database_kind: str, backend: Backend, logs: Logs
) -> None:
    for value in NO_KEYS:
        bearer = b" ".join((b"Bearer", value)).strip()
        for headers in ({"X-API-Key": value}, {"Authorization": bearer}, {"Authorization": value}):
            answer = await ask(backend, "GET", "/users/me", headers=headers)
            assert is_problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
            assert len(value) < 10 or value.decode("latin-1") not in answer.text + logs.getvalue()


@pytest.mark.parametrize("value", [b"a\x00b", b"sk-\x0aX-Evil: 1", b"   ", b"\t"], ids=ascii)
async def test_what_no_client_sends_is_refused(backend: Backend, value: bytes) -> None:
    """By the server's parser, or as no key: never taken, and never a failure of ours."""
    host, port = backend.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"GET /users/me HTTP/1.1\r\nHost: test\r\nX-API-Key: " + value + b"\r\nConnection: close\r\n\r\n")
        status = (await reader.readline()).split()[1]
    finally:
        writer.close()
    assert status in (b"400", b"401")


async def test_a_header_of_a_megabyte_is_refused_before_it_is_read(backend: Backend) -> None:
    answer = await ask(backend, "GET", "/users/me", headers=by_header("k" * 1_000_000))
    assert answer.status_code == 431


async def test_what_cannot_be_a_key_is_refused_without_asking_the_database(backend: Backend) -> None:
    await backend.house.database.close()
    in_use = backend.house.database.connections_in_use
    for value in ("", "k" * 1_000_000, "sk-" + "密" * 43, "' OR 1=1 --", "\x00", "\ud800", "a.b.c"):
        for credentials in (Credentials(api_key=value), Credentials(bearer=value)):
            with pytest.raises(Exception, match="Valid credentials"):
                await backend.house.authorization.authorise(credentials)
    assert backend.house.database.connections_in_use == in_use


async def test_the_header_for_keys_takes_no_access_token(backend: Backend) -> None:
    alice = await backend.user()
    answer = await ask(backend, "GET", "/users/me", headers=by_header(alice.token))
    assert is_problem(answer, 401, "unauthenticated")


async def test_of_several_credentials_the_first_kind_counts_and_no_other_is_tried(backend: Backend) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    key = await key_of(alice)
    bad = "sk-" + "a" * 43

    async def asked(**headers: str) -> str | int:
        answer = await ask(backend, "GET", "/users/me", headers={k.replace("_", "-"): v for k, v in headers.items()})
        email: str | int = answer.json()["email"] if answer.status_code == 200 else answer.status_code
        return email

    assert await asked(x_api_key=key, authorization=f"Bearer {bob.token}") == alice.email
    assert await asked(x_api_key=bad, authorization=f"Bearer {bob.token}") == 401
    assert await asked(authorization=f"Bearer {key}", cookie=f"session={bob.token}") == alice.email
    assert await asked(authorization=f"Bearer {bad}", cookie=f"session={bob.token}") == 401
    assert await asked(x_api_key="", cookie=f"session={bob.token}") == 401
    assert await asked(cookie=f"session={key}") == 401


@pytest.mark.parametrize("name", ["X-API-Key", "Authorization"])
async def test_two_headers_of_one_name_are_refused_even_when_both_are_good(backend: Backend, name: str) -> None:
    alice = await backend.user()
    keys = [await key_of(alice), await key_of(alice)]
    prefix = "Bearer " if name == "Authorization" else ""
    for pair in (keys, [keys[0], keys[0]], [keys[0], "nonsense"], ["nonsense", keys[0]]):
        answer = await ask(backend, "GET", "/users/me", headers=[(name, prefix + each) for each in pair])
        assert is_problem(answer, 401, "unauthenticated")


async def test_no_key_is_taken_from_an_address(backend: Backend) -> None:
    key = await key_of(await backend.user())
    for name in ("api_key", "key", "token", "access_token", "ticket", "x-api-key"):
        assert (await ask(backend, "GET", "/users/me", params={name: key})).status_code == 401
        assert (await ask(backend, "GET", "/ai/chat/stream", params={name: key, "message": "Hi"})).status_code == 401


async def test_keys_that_differ_in_their_last_character_are_two_peoples(backend: Backend, database_url: str) -> None:
    people = [await backend.user("alice"), await backend.user("bob")]
    stem = "sk-" + "a" * 42
    for person, last in zip(people, "bc", strict=True):
        me = (await person.http.get("/users/me")).json()["id"]
        await alter(database_url, _row(me, stem + last))
    for _ in range(3):
        for person, last in zip(people, "bc", strict=True):
            me = await ask(backend, "GET", "/users/me", headers=by_bearer(stem + last))
            assert me.json()["email"] == person.email
    assert await opens(backend, stem + "d") == 401


# What is written about it


async def test_no_key_is_logged(backend: Backend, logs: Logs) -> None:
    alice = await backend.user()
    key = (await made(alice, name="canary-name")).json()
    await opens(backend, key["key"])
    await ask(backend, "POST", "/ai/chat", json={"message": "Hello"}, headers=by_bearer(key["key"]))
    await alice.http.delete(f"{MINE}/{key['id']}")
    await opens(backend, key["key"])
    assert MINE in logs.getvalue()
    assert key["key"][10:] not in logs.getvalue()
    assert hashlib.sha256(key["key"].encode()).hexdigest() not in logs.getvalue()
    assert "canary" not in logs.getvalue()


async def test_making_and_deleting_a_key_are_on_record(database_kind: str, backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    me = (await alice.http.get("/users/me")).json()["id"]
    key = (await made(alice, name="canary-name", scopes=["chat", "models:gpt-*"])).json()
    await alice.http.delete(f"{MINE}/{key['id']}")
    await alice.http.delete(f"{MINE}/{key['id']}")
    about = select(audit_events).where(audit_events.c.target_id == key["id"]).order_by(audit_events.c.id)
    events = await rows(database_url, about)
    assert [event["action"] for event in events] == ["api_key.created", "api_key.deleted"]
    assert {(event["actor"], event["actor_id"], event["address"]) for event in events} == {("session", me, "127.0.0.1")}
    assert json.loads(events[0]["detail"]) == {"scopes": "chat, models:gpt-*"}
    assert "canary" not in repr([dict(event) for event in events])


async def test_the_reference_shows_both_ways_to_sign_in(backend: Backend) -> None:
    document = (await ask(backend, "GET", "/openapi.json")).json()
    schemes = document["components"]["securitySchemes"]
    assert (schemes["APIKey"]["in"], schemes["APIKey"]["name"]) == ("header", "X-API-Key")
    for path, method in (("/ai/chat", "post"), ("/conversations", "get"), ("/users/me", "get")):
        ways = [name for way in document["paths"][path][method]["security"] for name in way]
        assert {"OAuth2PasswordBearer", "APIKey"} <= set(ways)
        assert all(len(way) == 1 for way in document["paths"][path][method]["security"])


def _row(user_id: str, key: str) -> Any:
    """A key as if it had been made."""
    return insert(api_keys).values(
        id=str(uuid4()),
        user_id=user_id,
        name="as if made",
        prefix=key[:10],
        key_hash=hashlib.sha256(key.encode()).hexdigest(),
        created_at=datetime.now(UTC) - timedelta(hours=1),
    )
