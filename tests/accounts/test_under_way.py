"""What is under way while an account changes hands or ends gives nothing out that lasts, and brings nothing back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from app.database import Transaction
from app.models.identity import api_keys, sessions, tickets, users
from app.services.closing import Closing
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, is_problem, new_ticket, sign_in
from tests.accounts.under_way import locked, waits
from tests.backend import PASSWORD, Backend, User
from tests.conftest import Serve
from tests.routers.conftest import Logs

ANOTHER = "another 电池 password"
LAST = "audit_events"
"""What an act writes last: while it waits for this, all else is done and nothing committed."""
on_a_server = pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])


async def change_password(tx: Transaction, user_id: str) -> None:
    await tx.users.change(user_id, {"password_hash": "another"})
    await tx.sessions.revoke_others(user_id, keep=None)


async def deactivate(tx: Transaction, user_id: str) -> None:
    await tx.users.change(user_id, {"is_active": False})
    await tx.sessions.revoke_others(user_id, keep=None)


async def close(tx: Transaction, user_id: str) -> None:
    await tx.users.bury(user_id)


async def delete(tx: Transaction, user_id: str) -> None:
    await tx.users.delete(user_id)


Act = Callable[[Transaction, str], Awaitable[None]]
ACTS: tuple[Act, ...] = (change_password, deactivate, close, delete)
each_act = pytest.mark.parametrize("act", ACTS, ids=[act.__name__ for act in ACTS])


async def id_of(user: User) -> str:
    identity: str = (await user.http.get("/users/me")).json()["id"]
    return identity


async def meanwhile(
    backend: Backend, database_url: str, user: User, act: Act, method: str, path: str, **request: Any
) -> httpx.Response:
    """The answer to a request that has come to where it waits for the act, which is committed then."""
    user_id = await id_of(user)
    async with backend.house.database.transaction() as tx:
        await act(tx, user_id)
        task = asyncio.create_task(ask(backend, method, path, **request))
        await waits(database_url, task)
    return await task


def login(user: User) -> dict[str, str]:
    return {"username": user.email, "password": PASSWORD}


@each_act
async def test_a_sign_in_with_what_holds_no_more_is_refused(
    backend: Backend, database_url: str, database_kind: str, act: Act
) -> None:
    alice = await backend.user()
    before = {row["id"] for row in await rows(database_url, select(sessions))}
    answer = await meanwhile(backend, database_url, alice, act, "POST", "/auth/login", data=login(alice))
    assert is_problem(answer, 401, "bad_credentials")
    assert {row["id"] for row in await rows(database_url, select(sessions))} <= before


@each_act
async def test_a_refresh_is_refused_or_gives_out_what_is_worth_nothing(
    backend: Backend, database_url: str, database_kind: str, act: Act
) -> None:
    alice = await backend.user()
    token = (await sign_in(backend, alice)).refresh
    body = {"refresh_token": token}
    answer = await meanwhile(backend, database_url, alice, act, "POST", "/auth/refresh", json=body)
    # What is closed is gone row by row after that.
    assert answer.status_code == 401 or (act is close and answer.status_code == 200), answer.text
    given = answer.json().get("access_token", "none")
    assert is_problem(
        await ask(backend, "GET", "/users/me", headers={"Authorization": f"Bearer {given}"}), 401, "unauthenticated"
    )


@each_act
async def test_a_ticket_and_a_key_are_refused_or_fall_with_the_account(
    backend: Backend, database_url: str, database_kind: str, act: Act
) -> None:
    for path, body in (("/auth/ticket", None), ("/users/me/api-keys", {"name": "late"})):
        alice = await backend.user(f"alice-{path.count('/')}")
        shown = await sign_in(backend, alice)
        alice_id = await id_of(alice)
        answer = await meanwhile(backend, database_url, alice, act, "POST", path, headers=shown.bearer, json=body)
        assert answer.status_code in (200, 201, 401), answer.text
        assert answer.status_code == 401 or act is not delete
        if act in (close, delete):
            await Closing(backend.house.database, backend.house.generations, backend.house.blobs).finish()
            for table in (tickets, api_keys):
                assert not await rows(database_url, select(table).where(table.c.user_id == alice_id)), table.name


@on_a_server
@pytest.mark.parametrize("change", [{"is_active": False}, None], ids=["deactivation", "deletion"])
async def test_a_sign_in_that_is_not_committed_yet_ends_with_all_others(
    backend: Backend, database_url: str, database_kind: str, change: dict[str, bool] | None
) -> None:
    root, alice = await backend.user("root"), await backend.user("alice")
    await alter(database_url, users.update().where(users.c.email == root.email).values(role="admin"))
    alice_path = f"/users/{await id_of(alice)}"
    async with locked(database_url, LAST):
        signing_in = asyncio.create_task(ask(backend, "POST", "/auth/login", data=login(alice)))
        await waits(database_url, signing_in)
        method = "PATCH" if change else "DELETE"
        ending = asyncio.create_task(root.http.request(method, alice_path, json=change))
        await waits(database_url, signing_in, ending)
    answer = await signing_in
    assert answer.status_code == 200, answer.text
    assert (await ending).status_code in (200, 204)
    if change:
        assert (await root.http.patch(alice_path, json={"is_active": True})).status_code == 200
    shown = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert is_problem(await ask(backend, "GET", "/users/me", headers=shown), 401, "unauthenticated")


@on_a_server
async def test_a_sign_in_with_the_old_password_ends_with_the_password(
    backend: Backend, database_url: str, database_kind: str
) -> None:
    alice = await backend.user()
    body = {"password": ANOTHER, "current_password": PASSWORD}
    async with locked(database_url, LAST):
        signing_in = asyncio.create_task(ask(backend, "POST", "/auth/login", data=login(alice)))
        await waits(database_url, signing_in)
        changing = asyncio.create_task(alice.http.patch("/users/me", json=body))
        await waits(database_url, signing_in, changing)
    assert (await changing).status_code == 200
    shown = {"Authorization": f"Bearer {(await signing_in).json()['access_token']}"}
    assert is_problem(await ask(backend, "GET", "/users/me", headers=shown), 401, "unauthenticated")


@on_a_server
async def test_nobody_who_signs_in_or_asks_waits_for_a_sign_in(backend: Backend, database_kind: str) -> None:
    """Else one device that is slow would hold up all others of its user."""
    alice = await backend.user()
    async with backend.house.database.transaction() as tx:
        assert await tx.users.hold_with_password(alice.email)
        assert (await ask(backend, "POST", "/auth/login", data=login(alice))).status_code == 200
        assert await new_ticket(backend, dict(alice.http.headers))


@each_act
@pytest.mark.parametrize("body", [{"email": "late@example.com"}, {"password": ANOTHER}, {"name": "Late"}], ids=str)
async def test_a_change_of_oneself_changes_no_account_that_has_ended(
    backend: Backend, database_url: str, database_kind: str, act: Act, body: dict[str, str]
) -> None:
    alice = await backend.user()
    alice_id = await id_of(alice)
    (before,) = await rows(database_url, select(users).where(users.c.id == alice_id))
    body = body if "name" in body else {**body, "current_password": PASSWORD}
    shown = dict(alice.http.headers)
    answer = await meanwhile(backend, database_url, alice, act, "PATCH", "/users/me", headers=shown, json=body)
    assert is_problem(answer, 401, "unauthenticated")
    left = await rows(database_url, select(users).where(users.c.id == alice_id))
    expected: dict[Act, list[tuple[str, str | None, str]]] = {
        change_password: [(alice.email, None, "another")],
        deactivate: [(alice.email, None, before["password_hash"])],
        close: [(f"deleted:{alice_id}", None, "")],
        delete: [],
    }
    found = [(row["email"], row["name"], row["password_hash"]) for row in left]
    assert found == expected[act] or (act is close and not found)  # it is cleared, in a while
    await Closing(backend.house.database, backend.house.generations, backend.house.blobs).finish()
    assert bool(await rows(database_url, select(users).where(users.c.id == alice_id))) is (act not in (close, delete))


@pytest.mark.parametrize("act", [close, delete], ids=["close", "delete"])
async def test_no_account_that_is_closed_becomes_an_administrator(
    backend: Backend, database_url: str, database_kind: str, act: Act
) -> None:
    alice = await backend.user()
    alice_id = await id_of(alice)
    async with backend.house.database.transaction() as tx:
        await act(tx, alice_id)
        making = asyncio.create_task(backend.house.accounts.create_admin(email=alice.email, password=PASSWORD))
        await waits(database_url, making)
    made = await making
    assert made.id != alice_id
    (row,) = await rows(database_url, select(users).where(users.c.email == alice.email))
    assert (row["id"], row["role"], row["is_active"]) == (made.id, "admin", True)
    for grave in await rows(database_url, select(users).where(users.c.id == alice_id)):
        assert (grave["role"], grave["is_active"], grave["email"]) == ("user", False, f"deleted:{alice_id}")


@on_a_server
async def test_a_deactivation_is_done_even_if_what_runs_cannot_be_stopped_at_once(
    serve: Serve, database_url: str, database_kind: str, logs: Logs
) -> None:
    backend = await serve(database_statement_timeout=2)
    root, alice = await backend.user("root"), await backend.user("alice")
    await alter(database_url, users.update().where(users.c.email == root.email).values(role="admin"))
    alice_id = await id_of(alice)
    if database_kind == "mariadb":  # which opens what refers to a user to change one
        await alter(database_url, text("ALTER TABLE generations DROP FOREIGN KEY fk_generations_user_id_users"))
    async with locked(database_url, "generations"):
        answer = await root.http.patch(f"/users/{alice_id}", json={"is_active": False})
    assert (answer.status_code, answer.json()["is_active"]) == (200, False)
    assert (await ask(backend, "GET", "/users/me", headers=dict(alice.http.headers))).status_code == 401
    assert [entry["user_id"] for entry in logs.entries if "not stopped at once" in entry["message"]] == [alice_id]
