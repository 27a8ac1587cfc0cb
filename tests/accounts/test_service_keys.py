"""API_KEYS: machines that act for one account, which nobody can sign in to."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import delete, select, update

from app import migrations
from app.core.config import Settings
from app.core.errors import Unauthenticated
from app.database import database_url as parse_url
from app.domain.identity import Principal
from app.models.audit import audit_events
from app.models.identity import users
from app.services.authorization import Credentials
from app.services.service_keys import SERVICE_ID, ServiceKeys
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, is_problem
from tests.backend import PASSWORD, Backend
from tests.conftest import Serve
from tests.postgresql import PostgreSQL
from tests.routers.conftest import Logs

KEY, OTHER = "canary-machine-one", "canary-machine-two"
BOTH = f"{KEY},{OTHER}"


async def opens(backend: Backend, key: str | bytes) -> int:
    """The status through either header, which is the same one."""
    raw = key.encode() if isinstance(key, str) else key
    ways = ({"X-API-Key": raw}, {"Authorization": (b"Bearer " + raw).strip()})
    (status,) = {(await ask(backend, "GET", "/users/me", headers=way)).status_code for way in ways}
    return status


async def test_each_key_opens_through_either_header_for_one_account(database_kind: str, serve: Serve) -> None:
    backend = await serve(api_keys=f" {KEY} , {OTHER},")
    for key in (KEY, OTHER):
        assert await opens(backend, key) == 200
        me = (await ask(backend, "GET", "/users/me", headers={"X-API-Key": key})).json()
        assert (me["id"], me["email"], me["role"], me["is_active"]) == (SERVICE_ID, "service", "user", True)
    for wrong in (KEY[:-1], KEY + "x", KEY.upper(), "", BOTH):
        assert await opens(backend, wrong) == 401


async def test_a_machine_chats_and_comes_back_to_its_conversation(serve: Serve) -> None:
    backend = await serve(api_keys=BOTH)
    answer = await ask(backend, "POST", "/ai/chat", json={"message": "Hello"}, headers={"X-API-Key": KEY})
    assert answer.status_code == 200
    listed = await ask(backend, "GET", "/conversations", headers={"Authorization": f"Bearer {OTHER}"})
    assert [each["id"] for each in listed.json()["items"]] == [answer.json()["conversation_id"]]


@pytest.mark.parametrize(
    "key",
    [
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "sk-" + "a" * 43,
        "a.b.c",
        "..",
        "Bearer",
        "two words",
        "' OR 1=1 --",
        '{"a":"b"}',
        "密钥-машина",
        "k",
        "k" * 5000,
    ],
    ids=lambda key: ascii(key)[:20],
)
async def test_a_key_may_look_like_anything(serve: Serve, key: str) -> None:
    backend = await serve(api_keys=key)
    assert (await opens(backend, key), await opens(backend, key + "k")) == (200, 401)


async def test_without_keys_there_is_no_account(serve: Serve, database_url: str) -> None:
    backend = await serve()
    assert [row for row in await rows(database_url, select(users)) if row["id"] == SERVICE_ID] == []
    assert await opens(backend, KEY) == 401


async def test_keys_that_are_not_set_any_more_are_refused(serve: Serve) -> None:
    backend = await serve(api_keys=BOTH)
    assert await opens(backend, KEY) == 200
    await backend.stop()
    assert await opens(await serve(api_keys=OTHER), KEY) == 401


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"])
async def test_two_instances_that_start_at_once_make_one_account(
    database_kind: str, serve: Serve, database_url: str
) -> None:
    instances = await asyncio.gather(*(serve(api_keys=KEY) for _ in range(2)))
    assert [await opens(each, KEY) for each in instances] == [200] * 2
    await alter(database_url, delete(users).where(users.c.id == SERVICE_ID))
    await asyncio.gather(
        *(ServiceKeys(each.house.database, each.house.settings).ensure_account() for each in instances)
    )
    assert [await opens(each, KEY) for each in instances] == [200] * 2
    made = [row["id"] for row in await rows(database_url, select(users)) if row["email"] == "service"]
    assert made == [SERVICE_ID]


async def test_a_deactivated_account_is_refused_also_after_a_restart(
    database_kind: str, serve: Serve, database_url: str
) -> None:
    backend = await serve(api_keys=BOTH)
    await alter(database_url, update(users).where(users.c.id == SERVICE_ID).values(is_active=False))
    assert [await opens(backend, key) for key in (KEY, OTHER)] == [401, 401]
    await backend.stop()
    again = await serve(api_keys=BOTH)
    assert await opens(again, KEY) == 401
    await alter(database_url, update(users).where(users.c.id == SERVICE_ID).values(is_active=True))
    assert await opens(again, KEY) == 200


async def test_an_account_that_was_deleted_is_there_again_after_a_restart(serve: Serve, database_url: str) -> None:
    backend = await serve(api_keys=KEY)
    await alter(database_url, delete(users).where(users.c.id == SERVICE_ID))
    assert await opens(backend, KEY) == 401
    await backend.stop()
    assert await opens(await serve(api_keys=KEY), KEY) == 200


async def test_the_account_is_made_when_a_database_that_was_behind_is_ready(serve: Serve) -> None:
    # Not among pytest's folders: for root PostgreSQL runs as another user, whom each new pytest locks out of them.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = PostgreSQL(Path(folder))
        try:
            url = await server.empty_database()
            backend = await serve(api_keys=KEY, database_url=url)
            await migrations.migrate(parse_url(url))
            async with asyncio.timeout(15):
                while (await ask(backend, "GET", "/users/me", headers={"X-API-Key": KEY})).status_code != 200:
                    await asyncio.sleep(0.1)
            assert await opens(backend, KEY) == 200
            await backend.stop()
        finally:
            server.close()


async def test_nobody_registers_or_signs_in_as_the_account(serve: Serve) -> None:
    backend = await serve(api_keys=KEY)
    for password in (PASSWORD, "!", KEY, ""):
        registered = await ask(backend, "POST", "/auth/register", json={"email": "service", "password": PASSWORD})
        assert is_problem(registered, 422, "validation_error")
        signed_in = await ask(backend, "POST", "/auth/login", data={"username": "service", "password": password or "x"})
        assert is_problem(signed_in, 401, "bad_credentials")


async def test_a_machine_does_nothing_in_person(serve: Serve) -> None:
    backend = await serve(api_keys=KEY)
    for method, path, body in (
        ("GET", "/users/me/api-keys", None),
        ("POST", "/users/me/api-keys", {"name": "another"}),
        ("PATCH", "/users/me", {"name": "Me"}),
        ("DELETE", "/users/me", None),
        ("POST", "/auth/logout", None),
    ):
        answer = await ask(backend, method, path, json=body, headers={"X-API-Key": KEY})
        assert is_problem(answer, 403, "sign_in_required")


async def test_each_key_is_limited_by_itself_and_its_name_does_not_give_it_away(
    serve: Serve, database_url: str
) -> None:
    backend = await serve(api_keys=BOTH)

    async def principal(key: str) -> Principal:
        return await backend.house.authorization.authorise(Credentials(bearer=key))

    one, other = await principal(KEY), await principal(OTHER)
    assert one.limit_key != other.limit_key
    assert KEY not in repr(one)
    assert (one.key_id, one.session_id, one.is_admin) == (None, None, False)
    await alter(database_url, update(users).where(users.c.id == SERVICE_ID).values(role="admin"))
    assert not (await principal(KEY)).is_admin


async def test_a_key_that_no_header_can_hold_is_refused_quietly(serve: Serve) -> None:
    backend = await serve(api_keys=KEY)
    for value in ("密", "\ud800", "k" * 1_000_000):
        with pytest.raises(Unauthenticated):
            await backend.house.authorization.authorise(Credentials(api_key=value))


async def test_no_key_of_the_settings_is_logged_or_stored(serve: Serve, database_url: str, logs: Logs) -> None:
    backend = await serve(api_keys=BOTH)
    await opens(backend, KEY)
    await opens(backend, OTHER + "x")
    await ask(backend, "POST", "/ai/chat", json={"message": "Hello"}, headers={"X-API-Key": KEY})
    stored = [dict(row) for table in (users, audit_events) for row in await rows(database_url, select(table))]
    assert "canary" not in logs.getvalue() + repr(stored) + repr(backend.house.settings)


@pytest.mark.parametrize(
    "keys", ["short", "a-machine-of-16-chars,fifteen-letters", "your-api-key-your-api-key", "changeme-changeme-1"]
)
def test_production_refuses_weak_keys_in_a_line_that_does_not_show_them(keys: str) -> None:
    settings = {"environment": "production", "secret_key": "5f" * 10 + "0c9a7be41d2388d6", "_env_file": None}
    with pytest.raises(ValidationError, match="API_KEYS") as refused:
        Settings(**settings, api_keys=keys)  # type: ignore[arg-type]  # each value is validated
    (error,) = refused.value.errors()
    assert "\n" not in error["msg"]
    assert not any(key in str(refused.value) for key in keys.split(","))
    assert Settings(**settings, api_keys="5f0c9a7be41d2388,d61c7be41d2388f0")  # type: ignore[arg-type]


def test_development_takes_any_key() -> None:
    assert [key.get_secret_value() for key in Settings(_env_file=None, api_keys="dev, change").api_keys] == [
        "dev",
        "change",
    ]
