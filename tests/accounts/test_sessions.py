"""Where one is signed in: seen, and ended, by its owner alone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from app.models.audit import audit_events
from app.models.identity import sessions
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, is_problem, new_key, new_ticket, sign_in
from tests.backend import Backend, User

MINE = "/users/me/sessions"


async def listed(user: User, **query: Any) -> list[dict[str, Any]]:
    answer = await user.http.get(MINE, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def current(user: User) -> str:
    (own,) = [each["id"] for each in await listed(user) if each["current"]]
    found: str = own
    return found


async def test_ones_sessions_are_listed_the_newest_first(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    await sign_in(backend, alice, agent="Firefox on a phone")
    await sign_in(backend, await backend.user("bob"))

    phone, first = await listed(alice)

    assert phone.keys() == {
        "id",
        "created_at",
        "last_used_at",
        "expires_at",
        "user_agent",
        "address",
        "current",
    }
    assert (phone["current"], first["current"]) == (False, True)
    assert (phone["user_agent"], phone["address"]) == ("Firefox on a phone", "127.0.0.1")
    created, used, expires = (
        datetime.fromisoformat(phone[name]) for name in ("created_at", "last_used_at", "expires_at")
    )
    assert created == used <= datetime.now(UTC)
    assert timedelta(days=29) < expires - created < timedelta(days=31)


async def test_a_refresh_is_use_of_the_same_session(backend: Backend) -> None:
    alice = await backend.user()
    phone = await sign_in(backend, alice)
    before, _ = await listed(alice)

    refreshed = await ask(backend, "POST", "/auth/refresh", json={"refresh_token": phone.refresh})

    assert refreshed.status_code == 200
    after, _ = await listed(alice)
    assert (after["id"], after["created_at"]) == (before["id"], before["created_at"])
    assert after["last_used_at"] > before["last_used_at"]
    assert after["expires_at"] > before["expires_at"]


async def test_the_list_comes_in_pages(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    for _ in range(4):
        await sign_in(backend, alice)
    whole = [each["id"] for each in await listed(alice)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await alice.http.get(MINE, params=query)).json()
        assert len(page["items"]) <= 2
        seen += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == whole
    assert len(set(seen)) == 5


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "你好"},
        {"cursor": "x" * 20_000},
        {"cursor": "MjAyNi0wMS0wMXx4"},
        {"limit": 0},
        {"limit": -1},
        {"limit": 101},
        {"limit": "many"},
    ],
    ids=lambda query: str(query)[:20],
)
async def test_a_page_that_there_cannot_be_is_422(backend: Backend, query: dict[str, Any]) -> None:
    alice = await backend.user()
    answer = await alice.http.get(MINE, params=query)
    assert answer.status_code == 422
    assert len(answer.content) < 2000


async def test_a_session_that_has_expired_is_gone(database_kind: str, backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    await sign_in(backend, alice)
    phone, own = await listed(alice)
    await alter(
        database_url,
        update(sessions)
        .where(sessions.c.id == phone["id"])
        .values(expires_at=datetime.now(UTC) - timedelta(seconds=1)),
    )

    assert [each["id"] for each in await listed(alice)] == [own["id"]]
    is_problem(await alice.http.delete(f"{MINE}/{phone['id']}"), 404, "not_found")


async def test_a_session_is_ended_from_elsewhere(database_kind: str, backend: Backend) -> None:
    alice = await backend.user()
    phone = await sign_in(backend, alice)
    ticket = await new_ticket(backend, phone.bearer)
    lost, _ = await listed(alice)

    ended = await alice.http.delete(f"{MINE}/{lost['id']}")

    assert (ended.status_code, ended.content) == (204, b"")
    assert "set-cookie" not in ended.headers
    for shown in (phone.bearer, phone.under_cookie):
        is_problem(await ask(backend, "GET", "/users/me", headers=shown), 401, "unauthenticated")
    refreshed = await ask(backend, "POST", "/auth/refresh", json={"refresh_token": phone.refresh})
    is_problem(refreshed, 401, "unauthenticated")
    with_ticket = await ask(backend, "GET", "/ai/chat/stream", params={"ticket": ticket, "message": "Hello"})
    is_problem(with_ticket, 401, "unauthenticated")
    assert [each["current"] for each in await listed(alice)] == [True]


async def test_ending_ones_own_session_is_signing_out(backend: Backend) -> None:
    alice = await backend.user()
    here = await sign_in(backend, alice)
    own, _ = (await ask(backend, "GET", MINE, headers=here.under_cookie)).json()["items"]
    assert own["current"]

    ended = await ask(backend, "DELETE", f"{MINE}/{own['id']}", headers=here.under_cookie)

    assert ended.status_code == 204
    signed_out = await alice.http.post("/auth/logout")
    assert ended.headers["set-cookie"] == signed_out.headers["set-cookie"]
    is_problem(await ask(backend, "GET", MINE, headers=here.under_cookie), 401, "unauthenticated")


async def test_what_is_not_ones_own_session_is_none(database_kind: str, backend: Backend) -> None:
    alice, mallory = await backend.user("alice"), await backend.user("mallory")
    gone = await current(mallory)
    again = await sign_in(backend, mallory)
    assert (await mallory.http.delete(f"{MINE}/{gone}")).status_code == 204

    answers = [
        await ask(backend, "DELETE", f"{MINE}/{id_}", headers=again.bearer)
        for id_ in (await current(alice), gone, str(uuid4()), "nonsense", "%00", "你好", "x" * 5000)
    ]

    for answer in answers:
        is_problem(answer, 404, "not_found")
    assert len({(*(answer.json() | {"request_id": ""}).values(),) for answer in answers[:3]}) == 1
    assert len(await listed(alice)) == 1


async def test_sessions_are_for_whoever_signed_in(backend: Backend) -> None:
    alice = await backend.user()
    key = await new_key(backend, {"Authorization": f"Bearer {alice.token}"})
    own = await current(alice)
    by_key = {"X-API-Key": key["key"]}

    for method, path in (("GET", MINE), ("DELETE", f"{MINE}/{own}")):
        is_problem(await ask(backend, method, path), 401, "unauthenticated")
        is_problem(await ask(backend, method, path, headers=by_key), 403, "sign_in_required")
    assert await current(alice) == own


async def test_a_foreign_page_ends_no_session(backend: Backend) -> None:
    alice = await backend.user()
    here = await sign_in(backend, alice)
    own = await current(alice)
    for foreign in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "same-site"}):
        answer = await ask(backend, "DELETE", f"{MINE}/{own}", headers=here.under_cookie | foreign)
        is_problem(answer, 403, "cross_origin")
    assert len(await listed(alice)) == 2


async def test_who_ended_which_session_is_on_record(backend: Backend, database_url: str) -> None:
    alice = await backend.user()
    await sign_in(backend, alice)
    lost, own = await listed(alice)
    me = (await alice.http.get("/users/me")).json()["id"]

    ended = await alice.http.delete(f"{MINE}/{lost['id']}")
    await alice.http.delete(f"{MINE}/{lost['id']}")

    (event,) = await rows(database_url, select(audit_events).where(audit_events.c.action == "session.revoked"))
    assert (event["actor"], event["actor_id"], event["credential_id"]) == ("session", me, own["id"])
    assert (event["target_id"], event["address"]) == (lost["id"], "127.0.0.1")
    assert event["request_id"] == ended.headers["x-request-id"]
