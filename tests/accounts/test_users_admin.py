"""Administrators see and change users, nobody else does, and there is always one of them."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select, update

from app.models.audit import audit_events
from app.models.base import metadata
from app.models.chat import conversations
from app.models.identity import users
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, is_problem, new_key, sign_in
from tests.backend import PASSWORD, Backend, User
from tests.chat.reading import eventually, posting
from tests.conftest import Serve
from tests.upstream import Answer, Upstream

SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
FIELDS = {"id", "email", "name", "role", "is_active", "created_at"}


@pytest.fixture
async def root(backend: Backend, database_url: str) -> User:
    """The one administrator."""
    return await promoted(backend, database_url, "root")


async def promoted(backend: Backend, database_url: str, name: str) -> User:
    """An administrator, besides whom there is no first one of the settings."""
    user = await backend.user(name)
    await alter(
        database_url,
        update(users).where(users.c.email == "admin@example.com").values(role="user"),
        update(users).where(users.c.email == user.email).values(role="admin"),
    )
    return user


async def id_of(user: User) -> str:
    identity: str = (await user.http.get("/users/me")).json()["id"]
    return identity


async def listed(admin: User, **query: Any) -> list[dict[str, Any]]:
    answer = await admin.http.get("/users", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def named(backend: Backend, address: str, name: str | None) -> None:
    answer = await ask(backend, "POST", "/auth/register", json={"email": address, "password": PASSWORD, "name": name})
    assert answer.status_code == 201, answer.text


async def acts(database_url: str, target_id: str) -> Sequence[tuple[str, str, str]]:
    statement = select(audit_events).where(audit_events.c.target_id == target_id).order_by(audit_events.c.id)
    found = [(row["action"], row["actor_id"], row["detail"]) for row in await rows(database_url, statement)]
    ours = ("user.role_changed", "user.deactivated", "user.activated", "user.changed", "user.deleted")
    return [act for act in found if act[0] in ours]


async def test_an_admin_lists_users_newest_first_page_by_page(backend: Backend, root: User, database_kind: str) -> None:
    for number in range(5):
        await named(backend, f"person-{number}@example.com", f"Person {number}")
    seen: list[str] = []
    cursor = None
    while True:
        page = (await root.http.get("/users", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        assert all(user.keys() == FIELDS for user in page["items"])
        seen += [user["email"] for user in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen[:5] == [f"person-{number}@example.com" for number in reversed(range(5))]
    assert len(seen) == len(set(seen)) == 7


async def test_the_search_is_for_any_part_in_any_case_and_takes_every_character_for_itself(
    backend: Backend, root: User, database_kind: str
) -> None:
    await named(backend, "ada.l@example.com", "Ada Lovelace")
    await named(backend, "wang@example.com", "王小明 🎉")
    await named(backend, "percent@example.com", r"100%_sure\/")
    await named(backend, "emile@example.com", "Émile École")
    found = {
        "LOVE": "ada.l@example.com",
        "ADA.L@": "ada.l@example.com",
        " love ": "ada.l@example.com",
        "小明": "wang@example.com",
        "🎉": "wang@example.com",
        "0%_s": "percent@example.com",
        "%": "percent@example.com",
        "e\\/": "percent@example.com",
        "émile": "emile@example.com",
        "ÉCOLE": "emile@example.com",
    }
    for q, email in found.items():
        assert [user["email"] for user in await listed(root, q=q)] == [email], q
    for q in ("l_v", "a%a", "' OR 1=1 --", "x" * 200):
        assert await listed(root, q=q) == [], q
    assert len(await listed(root, q="")) == 6


async def test_the_list_is_narrowed_by_role_and_activity(backend: Backend, root: User) -> None:
    await named(backend, "eve@example.com", None)
    eve = (await listed(root, q="eve"))[0]
    assert (await root.http.patch(f"/users/{eve['id']}", json={"is_active": False})).status_code == 200
    assert [user["email"] for user in await listed(root, role="admin")] == [root.email]
    assert [user["email"] for user in await listed(root, is_active="false")] == ["eve@example.com"]
    assert await listed(root, role="admin", is_active="false") == []
    assert len(await listed(root, role="", is_active="")) == 3


@pytest.mark.parametrize(
    "query",
    [
        {"q": "x" * 201},
        {"q": "a\x00b"},
        {"role": "owner"},
        {"is_active": "perhaps"},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "many"},
        {"cursor": "forged"},
        {"cursor": "x" * 201},
        {"cursor": "王"},
    ],
    ids=str,
)
async def test_what_cannot_be_listed_is_said(root: User, query: dict[str, str]) -> None:
    answer = await root.http.get("/users", params=query)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_half_a_surrogate_pair_finds_nobody(root: User) -> None:
    answer = await root.http.get("/users?q=%ED%A0%80")
    assert (answer.status_code, answer.json()["items"]) == (200, [])


async def test_only_an_admin_may(backend: Backend, root: User) -> None:
    alice = await backend.user("alice")
    alice_id, root_id = await id_of(alice), await id_of(root)
    unscoped = (await new_key(backend, dict(root.http.headers)))["key"]
    scoped = (await new_key(backend, dict(root.http.headers), scopes=["admin"]))["key"]
    for method, path, body in (
        ("GET", "/users", None),
        ("GET", f"/users/{root_id}", None),
        ("GET", f"/users/{alice_id}", None),
        ("GET", f"/users/{uuid4()}", None),
        ("PATCH", f"/users/{alice_id}", {"role": "admin"}),
        ("PATCH", f"/users/{root_id}", b"\xff"),
        ("DELETE", f"/users/{root_id}", None),
    ):
        sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        assert is_problem(await alice.http.request(method, path, **sent), 403, "forbidden")
        assert is_problem(await ask(backend, method, path, **sent), 401, "unauthenticated")
        keyed = await ask(backend, method, path, headers={"X-API-Key": unscoped}, **sent)
        assert is_problem(keyed, 403, "insufficient_scope")
    assert (await ask(backend, "GET", "/users", headers={"X-API-Key": scoped})).status_code == 200
    assert (await id_of(alice), await id_of(root)) == (alice_id, root_id)


async def test_an_unknown_user_is_404(root: User) -> None:
    for identity in (str(uuid4()), "1", "null", "%00", "x" * 300, "王"):
        for method, body in (("GET", None), ("PATCH", {"name": "Nobody"}), ("DELETE", None)):
            assert is_problem(await root.http.request(method, f"/users/{identity}", json=body), 404, "not_found")


async def test_a_role_holds_for_the_next_request(
    backend: Backend, root: User, database_kind: str, database_url: str
) -> None:
    alice = await backend.user("alice")
    alice_id, root_id = await id_of(alice), await id_of(root)
    assert (await alice.http.get("/users")).status_code == 403
    answer = await root.http.patch(f"/users/{alice_id}", json={"role": "admin"})
    assert (answer.status_code, answer.json()["role"]) == (200, "admin")
    assert (await alice.http.get("/users")).status_code == 200
    assert (await alice.http.patch(f"/users/{root_id}", json={"role": "user"})).status_code == 200
    assert is_problem(await root.http.get("/users"), 403, "forbidden")
    changed = '{"from":"user","to":"admin"}'
    assert await acts(database_url, alice_id) == [("user.role_changed", root_id, changed)]


async def test_a_name_is_changed_and_taken_off_and_nothing_else(
    backend: Backend, root: User, database_url: str
) -> None:
    alice = await backend.user("alice")
    alice_id, root_id = await id_of(alice), await id_of(root)
    assert (await root.http.patch(f"/users/{alice_id}", json={"name": " 王小明 🎉 "})).json()["name"] == "王小明 🎉"
    assert (await root.http.patch(f"/users/{alice_id}", json={})).json()["name"] == "王小明 🎉"
    assert (await root.http.patch(f"/users/{alice_id}", json={"name": None})).json()["name"] is None
    told = [("user.changed", root_id, '{"name":true}')] * 2
    assert await acts(database_url, alice_id) == told


@pytest.mark.parametrize(
    "body",
    [
        {"role": None},
        {"is_active": None},
        {"role": "owner"},
        {"role": 1},
        {"is_active": "false"},
        {"is_active": 0},
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\x00b"},
        {"name": "\ud800"},
        {"email": "other@example.com"},
        {"password": "another-long-password"},
        {"role": "admin", "id": "0"},
        [],
        "role",
    ],
    ids=repr,
)
async def test_what_cannot_be_changed_is_said(backend: Backend, root: User, body: Any) -> None:
    alice_id = await id_of(await backend.user("alice"))
    before = (await root.http.get(f"/users/{alice_id}")).json()
    # As ASCII, in which half a surrogate pair can be written.
    content = json.dumps(body).encode()
    answer = await root.http.patch(f"/users/{alice_id}", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert (await root.http.get(f"/users/{alice_id}")).json() == before


async def test_a_deactivated_user_is_out_at_once_and_comes_back_without_the_old_sessions(
    backend: Backend, root: User, database_url: str, upstream: Upstream
) -> None:
    alice = await backend.user("alice")
    alice_id, root_id = await id_of(alice), await id_of(root)
    stolen = await sign_in(backend, alice)
    key = {"X-API-Key": (await new_key(backend, stolen.bearer))["key"]}
    upstream.script([Answer(tuple("abc"), hold=True)])
    async with posting(alice, "Hello") as reader:
        await reader.event()
        answer = await root.http.patch(f"/users/{alice_id}", json={"is_active": False})
        assert (answer.status_code, answer.json()["is_active"]) == (200, False)
        assert (await reader.rest())[-1].json["status"] == "stopped"
    await eventually(lambda: upstream.calls[0].ended == "aborted")
    for headers in (stolen.bearer, stolen.under_cookie, key):
        assert (await ask(backend, "GET", "/users/me", headers=headers)).status_code == 401
    login = {"username": alice.email, "password": PASSWORD}
    assert (await ask(backend, "POST", "/auth/login", data=login)).status_code == 401
    assert (await ask(backend, "POST", "/auth/refresh", json={"refresh_token": stolen.refresh})).status_code == 401
    again = await root.http.patch(f"/users/{alice_id}", json={"is_active": False})
    assert again.status_code == 200

    assert (await root.http.patch(f"/users/{alice_id}", json={"is_active": True})).status_code == 200
    for headers in (stolen.bearer, stolen.under_cookie):
        assert (await ask(backend, "GET", "/users/me", headers=headers)).status_code == 401
    assert (await ask(backend, "GET", "/users/me", headers=key)).status_code == 200
    assert (await ask(backend, "POST", "/auth/login", data=login)).status_code == 200
    told = [("user.deactivated", root_id, "{}"), ("user.activated", root_id, "{}")]
    assert await acts(database_url, alice_id) == told


@pytest.mark.parametrize("change", [{"role": "user"}, {"is_active": False}, {"role": "user", "name": "X"}, None])
async def test_the_last_active_admin_stays(
    backend: Backend, root: User, database_url: str, change: dict[str, Any] | None
) -> None:
    root_id = await id_of(root)
    second = await backend.user("second")
    second_id = await id_of(second)
    for body in ({"role": "admin"}, {"is_active": False}):
        assert (await root.http.patch(f"/users/{second_id}", json=body)).status_code == 200
    before = (await root.http.get(f"/users/{root_id}")).json()
    method = "PATCH" if change else "DELETE"
    assert is_problem(await root.http.request(method, f"/users/{root_id}", json=change), 409, "last_admin")
    if change is None:
        assert is_problem(await root.http.delete("/users/me"), 409, "last_admin")
    assert (await root.http.get(f"/users/{root_id}")).json() == before
    # The one who is not active may lose the role, or be deleted.
    assert (await root.http.request(method, f"/users/{second_id}", json=change)).status_code in (200, 204)
    # The last one may still be renamed.
    assert (await root.http.patch(f"/users/{root_id}", json={"name": "Root"})).status_code == 200
    assert (await root.http.patch(f"/users/{root_id}", json={"role": "admin", "is_active": True})).status_code == 200


async def test_an_admin_may_step_down_while_there_is_another(backend: Backend, root: User) -> None:
    root_id, second = await id_of(root), await backend.user("second")
    assert (await root.http.patch(f"/users/{await id_of(second)}", json={"role": "admin"})).status_code == 200
    assert (await root.http.patch(f"/users/{root_id}", json={"role": "user"})).json()["role"] == "user"
    assert is_problem(await root.http.get("/users"), 403, "forbidden")
    assert (await second.http.get("/users")).status_code == 200


@pytest.mark.parametrize(
    ("method", "body"), [("PATCH", {"role": "user"}), ("PATCH", {"is_active": False}), ("DELETE", None)], ids=str
)
async def test_two_admins_who_remove_each_other_at_once_leave_one(
    serve: Serve, database_kind: str, database_url: str, method: str, body: Mapping[str, Any] | None
) -> None:
    instances = [await serve(secret_key=SECRET) for _ in range(1 if database_kind == "sqlite" else 2)]
    pair = [await promoted(instances[0], database_url, name) for name in ("first", "second")]
    ids = [await id_of(user) for user in pair]
    for _ in range(5):
        answers = await asyncio.gather(
            *(
                ask(
                    instances[-each],
                    method,
                    f"/users/{ids[1 - each]}",
                    headers={"Authorization": f"Bearer {pair[each].token}"},
                    json=body,
                )
                for each in (0, 1)
            )
        )
        # The slower one may be too late to be let in at all.
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses[0] in (200, 204), statuses
        assert statuses[1] in (401, 403, 409), statuses
        assert await _active_admins(database_url) == 1
        if method == "DELETE":
            return
        pair = [await _restored(instances[0], database_url, user) for user in pair]


async def _restored(backend: Backend, database_url: str, user: User) -> User:
    everything = {"role": "admin", "is_active": True}
    await alter(database_url, update(users).where(users.c.email == user.email).values(everything))
    return await backend.user(user.email.partition("@")[0])


async def _active_admins(database_url: str) -> int:
    statement = select(func.count()).select_from(users).where(users.c.role == "admin", users.c.is_active.is_(True))
    return int((await rows(database_url, statement))[0]["count_1"])


async def test_the_service_account_is_listed_and_deactivated_and_never_an_admin(
    serve: Serve, database_url: str
) -> None:
    backend = await serve(api_keys="a-key-for-machines-0123456789abcdef")
    root = await promoted(backend, database_url, "root")
    key = {"X-API-Key": "a-key-for-machines-0123456789abcdef"}
    service = (await listed(root, q="service"))[0]
    path = f"/users/{service['id']}"
    assert is_problem(await root.http.patch(path, json={"role": "admin"}), 422, "validation_error")
    assert is_problem(await root.http.delete(path), 409, "conflict")
    assert (await ask(backend, "GET", "/conversations", headers=key)).status_code == 200
    assert (await root.http.patch(path, json={"is_active": False})).status_code == 200
    assert (await ask(backend, "GET", "/conversations", headers=key)).status_code == 401
    assert (await root.http.patch(path, json={"is_active": True})).status_code == 200
    assert (await ask(backend, "GET", "/conversations", headers=key)).status_code == 200


FORBIDDEN: Sequence[Mapping[str, Any]] = [
    {"role": "admin"},
    {"is_admin": True},
    {"is_superuser": True},
    {"owner": "me"},
    {"id": str(uuid4())},
    {"user_id": str(uuid4())},
    {"hashed_password": "x"},
    {"password_hash": "x"},
    {"token_version": 7},
    {"quota": 1_000_000},
    {"is_active": False},
    {"created_at": "2020-01-01T00:00:00Z"},
]


@pytest.mark.parametrize("extra", FORBIDDEN, ids=lambda extra: next(iter(extra)))
async def test_nobody_sets_what_is_not_theirs_to_set(
    backend: Backend, root: User, database_url: str, extra: Mapping[str, Any]
) -> None:
    alice = await backend.user("alice")
    alice_id = await id_of(alice)
    conversation = (await alice.chat("Hello")).start["conversation_id"]
    before = await _everything(database_url)
    attempts: Sequence[tuple[httpx.AsyncClient, str, str, Mapping[str, Any]]] = [
        (alice.http, "POST", "/auth/register", {"email": "new@example.com", "password": PASSWORD}),
        (alice.http, "PATCH", "/users/me", {"name": "Changed"}),
        (alice.http, "PATCH", f"/conversations/{conversation}", {"title": "Changed"}),
    ]
    if not {"role", "is_active"} & extra.keys():
        attempts = [*attempts, (root.http, "PATCH", f"/users/{alice_id}", {"name": "Changed"})]
    for client, method, path, body in attempts:
        answer = await client.request(method, path, json={**body, **extra})
        assert is_problem(answer, 422, "validation_error"), path
    assert await _everything(database_url) == before


async def _everything(database_url: str) -> list[list[dict[str, Any]]]:
    tables = [metadata.tables[name] for name in ("users", "api_keys")] + [conversations]
    return [[dict(row) for row in await rows(database_url, select(table).order_by(table.c.id))] for table in tables]


async def test_fifty_first_registrations_at_once_make_no_admin(
    serve: Serve, database_kind: str, database_url: str
) -> None:
    settings = {"environment": "production", "secret_key": SECRET, "first_admin_email": None}
    instances = [await serve(**settings) for _ in range(1 if database_kind == "sqlite" else 2)]
    assert await rows(database_url, select(users.c.id)) == []

    async def register(number: int) -> int:
        body = {"email": f"person-{number}@example.com", "password": PASSWORD}
        for _ in range(20):
            answer = await ask(instances[number % len(instances)], "POST", "/auth/register", json=body)
            if answer.status_code != 503:  # many hashes at once: come again
                break
            await asyncio.sleep(0.2)
        return answer.status_code

    assert set(await asyncio.gather(*(register(number) for number in range(50)))) == {201}
    found = await rows(database_url, select(users.c.role))
    assert [row["role"] for row in found] == ["user"] * 50
