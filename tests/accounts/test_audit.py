"""The audit log: every act is on it once, whoever did it; admins search it, and nobody changes it."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from app.domain.audit import Action, Actor
from app.models.audit import audit_events
from app.models.identity import users
from tests.accounts.behind import alter, rows
from tests.backend import PLAIN, Backend
from tests.conftest import Serve

ADMIN, ADMIN_PASSWORD = "admin@example.com", "canary-admin-password"
PASSWORD = "canary-password"
NAME = "Canary Name 金丝雀"


@dataclass
class Person:
    """Someone with an account, signed in. `secrets` are what no row may hold."""

    id: str
    email: str
    access: str
    refresh: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


@dataclass
class Stage:
    http: httpx.AsyncClient
    admin: Person
    secrets: set[str] = field(default_factory=set)

    async def person(self) -> Person:
        email = f"canary-{secrets.token_hex(6)}@example.com"
        registered = await self.register(email)
        assert registered.status_code == 201, registered.text
        return await self.signed_in(email, PASSWORD)

    async def register(self, email: str) -> httpx.Response:
        self.secrets.add(email.partition("@")[0])
        return await self.http.post("/auth/register", json={"email": email, "password": PASSWORD, "name": NAME})

    async def sign_in(self, email: str, password: str) -> httpx.Response:
        answer = await self.http.post("/auth/login", data={"username": email, "password": password})
        self.http.cookies.clear()
        return answer

    async def signed_in(self, email: str, password: str) -> Person:
        tokens = (await self.sign_in(email, password)).json()
        self.secrets |= {tokens["access_token"], tokens["refresh_token"]}
        about = await self.http.get("/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
        return Person(about.json()["id"], email, tokens["access_token"], tokens["refresh_token"])

    async def refresh(self, token: str) -> httpx.Response:
        answer = await self.http.post("/auth/refresh", json={"refresh_token": token})
        self.http.cookies.clear()
        return answer

    async def search(self, **filters: Any) -> httpx.Response:
        return await self.http.get("/admin/audit", params=filters, headers=self.admin.headers)

    async def found(self, **filters: Any) -> list[dict[str, Any]]:
        answer = await self.search(**filters)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@dataclass(frozen=True)
class Done:
    """An act that was done: by requests that were answered so, by whom, to whom."""

    answers: list[httpx.Response]
    actor: Actor
    actor_id: str | None
    target_id: str | None = None


async def _stage(backend: Backend) -> AsyncIterator[Stage]:
    async with httpx.AsyncClient(base_url=backend.url, timeout=20, trust_env=False, verify=PLAIN) as http:
        stage = Stage(http, Person("", ADMIN, "", ""))
        stage.admin = await stage.signed_in(ADMIN, ADMIN_PASSWORD)
        yield stage


@pytest.fixture
async def stage(serve: Serve) -> AsyncIterator[Stage]:
    backend = await serve(first_admin_password=ADMIN_PASSWORD, login_failures="3/15 minutes")
    async for stage in _stage(backend):
        yield stage


def _changing(**body: str) -> Callable[[Stage], Awaitable[Done]]:
    async def change(stage: Stage) -> Done:
        person = await stage.person()
        answer = await stage.http.patch("/users/me", json=body, headers=person.headers)
        return Done([answer], Actor.SESSION, person.id, person.id)

    return change


def _by_an_admin(*bodies: Mapping[str, Any]) -> Callable[[Stage], Awaitable[Done]]:
    async def change(stage: Stage) -> Done:
        person = await stage.person()
        for body in bodies:
            answer = await stage.http.patch(f"/users/{person.id}", json=body, headers=stage.admin.headers)
        return Done([answer], Actor.SESSION, stage.admin.id, person.id)

    return change


async def _register(stage: Stage) -> Done:
    answer = await stage.register(f"canary-{secrets.token_hex(6)}@example.com")
    return Done([answer], Actor.NOBODY, None, answer.json()["id"])


async def _sign_in(stage: Stage) -> Done:
    person = await stage.person()
    return Done([await stage.sign_in(person.email, PASSWORD)], Actor.SESSION, person.id)


async def _fail(stage: Stage) -> Done:
    person = await stage.person()
    stage.secrets.add("canary-wrong")
    return Done([await stage.sign_in(person.email, "canary-wrong")], Actor.NOBODY, None, person.id)


async def _lock(stage: Stage) -> Done:
    person = await stage.person()
    answers = [await stage.sign_in(person.email, "canary-wrong") for _ in range(5)]
    assert answers[-1].status_code == 429
    return Done(answers, Actor.NOBODY, None, person.id)


async def _sign_out(stage: Stage) -> Done:
    person = await stage.person()
    return Done([await stage.http.post("/auth/logout", headers=person.headers)], Actor.SESSION, person.id)


async def _end_a_session(stage: Stage) -> Done:
    person = await stage.person()
    await stage.signed_in(person.email, PASSWORD)
    listed = (await stage.http.get("/users/me/sessions", headers=person.headers)).json()["items"]
    other = next(each["id"] for each in listed if not each["current"])
    answer = await stage.http.delete(f"/users/me/sessions/{other}", headers=person.headers)
    return Done([answer], Actor.SESSION, person.id, other)


async def _reuse_a_refresh_token(stage: Stage) -> Done:
    person = await stage.person()
    second = (await stage.refresh(person.refresh)).json()["refresh_token"]
    assert (await stage.refresh(second)).status_code == 200
    answer = await stage.refresh(person.refresh)
    assert answer.status_code == 401
    return Done([answer], Actor.NOBODY, None)


async def _change_address(stage: Stage) -> Done:
    change = _changing(email=f"canary-{secrets.token_hex(6)}@example.com", current_password=PASSWORD)
    return await change(stage)


async def _delete(stage: Stage) -> Done:
    person = await stage.person()
    return Done([await stage.http.delete("/users/me", headers=person.headers)], Actor.SESSION, person.id, person.id)


async def _export(stage: Stage) -> Done:
    person = await stage.person()
    answer = await stage.http.get("/users/me/export", headers=person.headers)
    return Done([answer], Actor.SESSION, person.id, person.id)


async def _make_a_key(stage: Stage) -> Done:
    person = await stage.person()
    body = {"name": NAME, "scopes": ["chat"]}
    answer = await stage.http.post("/users/me/api-keys", json=body, headers=person.headers)
    stage.secrets.add(answer.json()["key"])
    return Done([answer], Actor.SESSION, person.id, answer.json()["id"])


async def _delete_a_key(stage: Stage) -> Done:
    person = await stage.person()
    made = (await stage.http.post("/users/me/api-keys", json={"name": NAME}, headers=person.headers)).json()
    answer = await stage.http.delete(f"/users/me/api-keys/{made['id']}", headers=person.headers)
    return Done([answer], Actor.SESSION, person.id, made["id"])


ACTS: Mapping[Action, Callable[[Stage], Awaitable[Done]]] = {
    Action.REGISTERED: _register,
    Action.SIGNED_IN: _sign_in,
    Action.SIGN_IN_FAILED: _fail,
    Action.SIGN_IN_LOCKED: _lock,
    Action.SIGNED_OUT: _sign_out,
    Action.SESSION_REVOKED: _end_a_session,
    Action.REFRESH_REUSED: _reuse_a_refresh_token,
    Action.PROFILE_CHANGED: _changing(name="Another Canary"),
    Action.EMAIL_CHANGED: _change_address,
    Action.PASSWORD_CHANGED: _changing(password="canary-new-password", current_password=PASSWORD),
    Action.ROLE_CHANGED: _by_an_admin({"role": "admin"}),
    Action.DEACTIVATED: _by_an_admin({"is_active": False}),
    Action.ACTIVATED: _by_an_admin({"is_active": False}, {"is_active": True}),
    Action.DELETED: _delete,
    Action.EXPORTED: _export,
    Action.KEY_CREATED: _make_a_key,
    Action.KEY_DELETED: _delete_a_key,
}
"""How each act is done over HTTP; a new one belongs here."""


def test_every_act_is_tried() -> None:
    assert ACTS.keys() == set(Action)


@pytest.mark.parametrize("action", Action)
async def test_an_act_is_on_record_once_with_who_and_where_from(stage: Stage, action: Action) -> None:
    done = await ACTS[action](stage)

    requests = {answer.headers["x-request-id"] for answer in done.answers}
    [row] = [each for each in await stage.found(action=action) if each["request_id"] in requests]
    assert (row["actor"], row["address"]) == (done.actor, "127.0.0.1")
    assert row["actor_id"] == done.actor_id
    assert (row["credential_id"] is None) == (done.actor is Actor.NOBODY)
    assert done.target_id is None or row["target_id"] == done.target_id


async def test_no_row_holds_a_secret_an_address_or_a_name(stage: Stage, database_url: str) -> None:
    for act in ACTS.values():
        await act(stage)

    for row in await rows(database_url, select(audit_events)):
        said = " ".join(str(value) for value in row.values()).lower()
        assert "canary" not in said
        assert "@" not in said
        assert not [secret for secret in stage.secrets if secret.lower() in said]


async def test_what_was_refused_is_not_on_record(stage: Stage) -> None:
    alice, bob = await stage.person(), await stage.person()

    body = {"email": bob.email, "current_password": PASSWORD}
    refused = await stage.http.patch("/users/me", json=body, headers=alice.headers)

    assert refused.status_code == 409
    assert await stage.found(request_id=refused.headers["x-request-id"]) == []


async def test_what_cannot_be_put_on_record_is_not_done(serve: Serve, database_url: str, database_kind: str) -> None:
    backend = await serve(first_admin_password=ADMIN_PASSWORD)
    async for stage in _stage(backend):
        alice = await stage.person()
        await alter(database_url, *map(text, _FULL[database_kind]))

        answers = [
            await stage.http.patch("/users/me", json={"name": "Another"}, headers=alice.headers),
            await stage.http.patch(f"/users/{alice.id}", json={"role": "admin"}, headers=stage.admin.headers),
            await stage.http.post("/users/me/api-keys", json={"name": "Key"}, headers=alice.headers),
            await stage.http.delete("/users/me", headers=alice.headers),
            await stage.register("canary-late@example.com"),
        ]

        assert [answer.status_code for answer in answers] == [500] * len(answers)
        about = (await stage.http.get("/users/me", headers=alice.headers)).json()
        assert (about["name"], about["role"]) == (NAME, "user")
        assert (await stage.http.get("/users/me/api-keys", headers=alice.headers)).json()["items"] == []
        late = select(users.c.id).where(users.c.email == "canary-late@example.com")
        assert not await rows(database_url, late)


_FULL = {
    "sqlite": ["CREATE TRIGGER full BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'full'); END"],
    "postgresql": [
        "CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full'; END $$",
        "CREATE TRIGGER full_up BEFORE INSERT ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION full_up()",
    ],
    "mariadb": ["CREATE TRIGGER full_up BEFORE INSERT ON audit_events FOR EACH ROW SIGNAL SQLSTATE '45000'"],
}


@pytest.mark.parametrize(
    "statement",
    [
        update(audit_events).values(address="203.0.113.7"),
        delete(audit_events),
        delete(audit_events).where(audit_events.c.action == Action.REGISTERED),
    ],
)
async def test_the_database_refuses_to_change_or_remove_a_row(
    serve: Serve, database_url: str, database_kind: str, statement: Any
) -> None:
    backend = await serve()
    await backend.user()
    await _add(database_url)
    before = await rows(database_url, select(audit_events))

    with pytest.raises(DBAPIError, match="append-only"):
        await alter(database_url, statement)

    assert await rows(database_url, select(audit_events)) == before
    assert len(before) >= 1


async def test_sqlite_refuses_to_replace_a_row_too(serve: Serve, database_url: str) -> None:
    backend = await serve()
    await backend.user()
    before = await rows(database_url, select(audit_events))
    replaced = {column.name: before[0][column.name] for column in audit_events.columns} | {"detail": '{"forged": 1}'}

    with pytest.raises(DBAPIError, match="append-only"):
        await alter(database_url, insert(audit_events).prefix_with("OR REPLACE").values(replaced))

    assert await rows(database_url, select(audit_events)) == before


async def _add(database_url: str, **values: Any) -> None:
    row = {
        "id": f"0198aaaa-0000-7000-8000-{secrets.token_hex(6)}",
        "created_at": datetime(2020, 1, 2, tzinfo=UTC),
        "action": Action.REGISTERED.value,
        "actor": Actor.NOBODY.value,
        "detail": "{}",
    }
    await alter(database_url, insert(audit_events).values(**row | values))


@pytest.fixture
async def shelf(serve: Serve, database_url: str, database_kind: str) -> AsyncIterator[Stage]:
    """An admin, and twelve old acts, a minute apart, in pairs of one moment."""
    backend = await serve(first_admin_password=ADMIN_PASSWORD)
    for n in range(12):
        await _add(
            database_url,
            id=f"00000000-0000-7000-8000-0000000000{n:02}",
            created_at=datetime(2020, 1, 1, 0, n // 2, tzinfo=UTC),
            action=(Action.SIGNED_IN, Action.KEY_CREATED, Action.SIGN_IN_FAILED)[n % 3].value,
            actor_id=ALICE if n % 2 else BOB,
            target_id=BOB if n % 4 == 0 else None,
            address="2001:db8::1" if n < 3 else "203.0.113.7",
            request_id=f"request-{n}",
        )
    async for stage in _stage(backend):
        yield stage


ALICE, BOB = "0198aaaa-0000-7000-8000-00000000a11c", "0198aaaa-0000-7000-8000-000000000b0b"
OLD = {"until": "2020-12-31T00:00:00Z"}


def _numbers(items: list[dict[str, Any]]) -> list[int]:
    return [int(item["id"][-2:]) for item in items]


SEARCHES: Sequence[tuple[dict[str, str], Iterable[int]]] = [
    ({}, range(11, -1, -1)),
    ({"action": "api_key.created"}, [10, 7, 4, 1]),
    ({"actor_id": BOB}, [10, 8, 6, 4, 2, 0]),
    ({"actor_id": BOB.upper()}, [10, 8, 6, 4, 2, 0]),
    ({"target_id": BOB}, [8, 4, 0]),
    ({"address": "2001:db8::1"}, [2, 1, 0]),
    ({"request_id": "request-5"}, [5]),
    ({"request_id": "Request-5"}, []),
    ({"action": "session.failed", "actor_id": ALICE}, [11, 5]),
    ({"action": "", "actor_id": "", "since": "", "cursor": ""}, range(11, -1, -1)),
    ({"since": "2020-01-01T00:04:00Z"}, [11, 10, 9, 8]),
    ({"since": "2020-01-01T02:04:00+02:00"}, [11, 10, 9, 8]),
    ({"since": "2020-01-01T00:04:00Z", "until": "2020-01-01T00:05:00Z"}, [9, 8]),
    ({"since": "2020-01-01T00:04:00Z", "until": "2020-01-01T00:04:00Z"}, []),
    ({"since": "2020-01-02T00:00:00Z"}, []),
    ({"actor_id": "0198aaaa-0000-7000-8000-00000000dead"}, []),
    ({"address": "'; DROP TABLE audit_events; --"}, []),
    ({"address": "测试 🐤"}, []),
    ({"tomato": "1"}, range(11, -1, -1)),
]


async def test_a_search_finds_what_fits_all_of_it_newest_first(shelf: Stage) -> None:
    for filters, expected in SEARCHES:
        assert _numbers(await shelf.found(**OLD | filters)) == list(expected), filters


async def test_an_offset_may_be_typed_as_it_is(shelf: Stage) -> None:
    query = "/admin/audit?since=2020-01-01T02:04:00+02:00&until=2020-12-31T00:00:00Z"

    answer = await shelf.http.get(query, headers=shelf.admin.headers)

    assert _numbers(answer.json()["items"]) == [11, 10, 9, 8]


async def test_pages_join_to_the_whole_without_gap_or_repeat(shelf: Stage) -> None:
    for limit in (1, 2, 3, 5, 11, 12, 500):
        read, cursor, pages = [], None, 0
        while (pages == 0 or cursor) and pages <= 12:
            page = (await shelf.search(**OLD, limit=limit, **({"cursor": cursor} if cursor else {}))).json()
            assert len(page["items"]) <= limit
            read += _numbers(page["items"])
            cursor, pages = page["next_cursor"], pages + 1

        assert read == list(range(11, -1, -1))
        assert pages == -(-12 // limit)


async def test_a_row_is_spelled_in_full(shelf: Stage) -> None:
    [row] = await shelf.found(request_id="request-4")

    assert row == {
        "id": "00000000-0000-7000-8000-000000000004",
        "created_at": "2020-01-01T00:02:00Z",
        "action": "api_key.created",
        "actor": "nobody",
        "actor_id": BOB,
        "credential_id": None,
        "target_id": BOB,
        "address": "203.0.113.7",
        "request_id": "request-4",
        "detail": {},
    }


IMPOSSIBLE: Sequence[dict[str, str]] = [
    {"action": "session"},
    {"action": "SESSION.CREATED"},
    {"action": "a" * 10_000},
    {"action": "\x00"},
    {"actor_id": "alice"},
    {"target_id": "0198aaaa-0000-7000-8000-00000000a11c'"},
    {"address": "1" * 46},
    {"address": "\x00"},
    {"request_id": "1" * 129},
    {"request_id": "\x00"},
    {"since": "2020-01-01T00:00:00"},
    {"since": "yesterday"},
    {"since": "0001-01-01T00:00:00+14:00"},
    {"until": "9999-12-31T23:59:59-14:00"},
    {"until": "99999999999999999999"},
    {"limit": "0"},
    {"limit": "501"},
    {"limit": "many"},
    {"cursor": "forged"},
    {"cursor": "\x00"},
    {"cursor": "a" * 201},
    {"cursor": "MjAyMC0wMS0wMVQwMDowMDowMHwwMDAwMDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDA"},
    {"cursor": "测试"},
]


async def test_a_search_for_what_cannot_be_is_refused(shelf: Stage) -> None:
    for filters in IMPOSSIBLE:
        answer = await shelf.search(**filters)

        assert answer.status_code == 422, filters
        assert answer.headers["content-type"] == "application/problem+json"


async def test_moments_at_the_ends_of_time_are_taken(shelf: Stage) -> None:
    whole = await shelf.found(since="0001-01-01T00:00:00Z", until="9999-12-31T23:59:59Z", limit=500)

    assert _numbers(whole[-12:]) == list(range(11, -1, -1))


async def test_an_act_that_only_a_newer_version_knows_is_listed(shelf: Stage, database_url: str) -> None:
    await _add(database_url, action="user.cloned", actor="robot", request_id="newer")

    [row] = await shelf.found(request_id="newer")

    assert (row["action"], row["actor"]) == ("user.cloned", "robot")


async def test_only_admins_read_it(stage: Stage) -> None:
    alice = await stage.person()

    async def status(**headers: str) -> int:
        return (await stage.http.get("/admin/audit?limit=0", headers=headers)).status_code

    async def key(person: Person, *scopes: str) -> str:
        body = {"name": "key", **({"scopes": scopes} if scopes else {})}
        made = await stage.http.post("/users/me/api-keys", json=body, headers=person.headers)
        token: str = made.json()["key"]
        return token

    assert await status() == 401
    assert await status(**alice.headers) == 403
    assert await status(**{"X-API-Key": await key(stage.admin)}) == 403
    assert await status(**{"X-API-Key": await key(stage.admin, "chat")}) == 403
    assert await status(**{"X-API-Key": await key(stage.admin, "admin")}) == 422
    assert await status(**stage.admin.headers) == 422


async def test_the_description_lists_the_acts_and_no_way_to_change_them(stage: Stage) -> None:
    document = (await stage.http.get("/openapi.json")).json()

    assert document["paths"]["/admin/audit"].keys() == {"get"}
    parameters = document["paths"]["/admin/audit"]["get"]["parameters"]
    assert set(Action) == set(document["components"]["schemas"]["Action"]["enum"])
    assert "#/components/schemas/Action" in str(parameters)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await stage.http.request(method, "/admin/audit", headers=stage.admin.headers)).status_code == 405
