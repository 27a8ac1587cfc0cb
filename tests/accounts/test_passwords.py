"""Passwords as their owners meet them: which are taken, and how they outlive the way they were stored."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import bcrypt
import httpx
import pytest
from argon2.low_level import Type, hash_secret
from sqlalchemy import select, text, update

from app.core.config import Settings, StartRefused
from app.main import create_app
from app.models.identity import users
from tests.accounts.behind import alter, rows
from tests.accounts.signing import ask, is_problem
from tests.backend import DEAR_HASHES, PASSWORD, Backend
from tests.conftest import Serve

COMMON = [
    "password",
    "PASSWORD",
    "ｐａｓｓｗｏｒｄ",
    "woaini1314",
    "12345678",
    "zzzzzzzz",
    "somebody",
    "Somebody@example.com",
]
EMAIL = "somebody@example.com"


@pytest.fixture
async def backend(serve: Serve) -> Backend:
    """With hashes as they are by default."""
    return await serve(**DEAR_HASHES)


async def register(backend: Backend, password: object, email: str = EMAIL) -> httpx.Response:
    return await ask(backend, "POST", "/auth/register", json={"email": email, "password": password})


async def log_in(backend: Backend, password: str, email: str = EMAIL) -> httpx.Response:
    return await ask(backend, "POST", "/auth/login", data={"username": email, "password": password})


def too_common(answer: httpx.Response, password: str) -> bool:
    assert is_problem(answer, 422, "password_too_common")
    (error,) = answer.json()["errors"]
    assert (error["loc"], error["type"]) == (["body", "password"], "password_too_common")
    assert "several words" in error["msg"]
    return password == "password" or password not in answer.text


@pytest.mark.parametrize("password", COMMON)
async def test_a_password_that_anybody_would_try_opens_no_account(backend: Backend, password: str) -> None:
    assert too_common(await register(backend, password), password)
    assert (await register(backend, PASSWORD)).status_code == 201


@pytest.mark.parametrize("password", COMMON)
async def test_nor_is_one_changed_to_it(backend: Backend, password: str) -> None:
    user = await backend.user("somebody")
    body = {"password": password, "current_password": PASSWORD}
    assert too_common(await user.http.patch("/users/me", json=body), password)
    assert (await log_in(backend, PASSWORD)).status_code == 200


async def test_a_new_address_and_a_new_password_are_looked_at_together(backend: Backend) -> None:
    user = await backend.user("somebody")
    body = {"email": "brand-new-name@example.com", "password": "brand-new-name", "current_password": PASSWORD}
    assert too_common(await user.http.patch("/users/me", json=body), "brand-new-name")


@pytest.mark.parametrize("password", ["k" * 60 + "密" * 68, "🔑x" * 64, "密🔑 a" * 2, " leading and trailing "])
async def test_a_password_of_8_to_128_characters_of_any_kind_is_taken_whole(backend: Backend, password: str) -> None:
    assert (await register(backend, password)).status_code == 201
    assert (await log_in(backend, password)).status_code == 200
    assert is_problem(await log_in(backend, password[:-1]), 401, "bad_credentials")


async def test_what_follows_the_72nd_byte_counts(backend: Backend) -> None:
    assert (await register(backend, "a" * 72 + "b")).status_code == 201
    assert is_problem(await log_in(backend, "a" * 72 + "c"), 401, "bad_credentials")
    assert is_problem(await log_in(backend, "a" * 72), 401, "bad_credentials")
    assert (await log_in(backend, "a" * 72 + "b")).status_code == 200


@pytest.mark.parametrize("password", ["seven 7", "x" * 128 + "y", "nul\x00 in between", 12345678, None, ["list"]])
async def test_others_are_refused_by_what_is_wrong_with_them(backend: Backend, password: object) -> None:
    answer = await register(backend, password)
    assert is_problem(answer, 422, "validation_error")
    assert answer.json()["errors"][0]["loc"] == ["body", "password"]


Store = Callable[[str], Awaitable[None]]


@pytest.fixture
async def stored(backend: Backend, database_url: str) -> Store:
    """An account whose password was hashed elsewhere."""
    await backend.user("somebody")

    async def store(hashed: str) -> None:
        await alter(database_url, update(users).where(users.c.email == EMAIL).values(password_hash=hashed))

    return store


async def stored_hash(database_url: str) -> str:
    (row,) = await rows(database_url, select(users.c.password_hash).where(users.c.email == EMAIL))
    hashed: str = row["password_hash"]
    return hashed


def by_bcrypt(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def by_argon2(password: str) -> str:
    return hash_secret(password.encode(), b"salt" * 4, 1, 64, 1, 32, Type.ID).decode()


@pytest.mark.parametrize("make", [by_bcrypt, by_argon2])
async def test_an_older_hash_is_renewed_at_sign_in(
    backend: Backend, stored: Store, database_url: str, database_kind: str, make: Callable[[str], str]
) -> None:
    await stored(old := make("an older secret"))
    assert is_problem(await log_in(backend, "another older secret"), 401, "bad_credentials")
    assert await stored_hash(database_url) == old
    assert (await log_in(backend, "an older secret")).status_code == 200
    renewed = await stored_hash(database_url)
    assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await log_in(backend, "an older secret")).status_code == 200
    assert await stored_hash(database_url) == renewed


async def test_a_longer_password_of_former_times_still_opens_its_account(backend: Backend, stored: Store) -> None:
    await stored(by_argon2("long " * 200))
    assert (await log_in(backend, "long " * 200)).status_code == 200


async def test_bcrypt_takes_no_more_than_it_compared(backend: Backend, stored: Store, database_url: str) -> None:
    await stored(old := by_bcrypt("a" * 72))
    for longer in ("a" * 73, "a" * 72 + "密", "a" * 1024, "a" * 72 + "\x00"):
        assert is_problem(await log_in(backend, longer), 401, "bad_credentials")
    assert await stored_hash(database_url) == old
    assert (await log_in(backend, "a" * 72)).status_code == 200


async def test_many_at_once_with_an_older_hash_all_get_in(backend: Backend, stored: Store) -> None:
    await stored(by_bcrypt("an older secret"))
    answers = await asyncio.gather(*(log_in(backend, "an older secret") for _ in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8


# On SQLite nothing is written, as when another was faster; a server is away for this one statement.
REFUSALS = {
    "sqlite": ["CREATE TRIGGER refuse BEFORE UPDATE OF password_hash ON users BEGIN SELECT RAISE(IGNORE); END"],
    "postgresql": [
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE SQLSTATE '57014'; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER refuse BEFORE UPDATE OF password_hash ON users EXECUTE FUNCTION refuse()",
    ],
    "mariadb": ["CREATE TRIGGER refuse BEFORE UPDATE ON users FOR EACH ROW SIGNAL SQLSTATE '08S01'"],
}


async def test_a_hash_that_cannot_be_stored_does_not_keep_anybody_out(
    backend: Backend, stored: Store, database_url: str, database_kind: str
) -> None:
    await stored(old := by_bcrypt("an older secret"))
    await alter(database_url, *map(text, REFUSALS[database_kind]))
    assert (await log_in(backend, "an older secret")).status_code == 200
    assert await stored_hash(database_url) == old


@pytest.mark.parametrize("hashed", ["", "!", "$2b$12$short", "$argon2id$v=19$m=1", "plain text"])
async def test_a_hash_that_nobody_can_read_opens_nothing(backend: Backend, stored: Store, hashed: str) -> None:
    await stored(hashed)
    assert is_problem(await log_in(backend, hashed or "plain text"), 401, "bad_credentials")


def settings(folder: Any, **values: Any) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=folder,
        database_url=f"sqlite:///{folder}/app.db",
        secret_key="0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        first_admin_email=EMAIL,
        **values,
    )


@pytest.mark.parametrize("password", ["iloveyou1", "woaini1314", "somebody", "abcdefgh"])
def test_production_starts_with_no_administrator_whom_anybody_can_be(tmp_path: Any, password: str) -> None:
    with pytest.raises(StartRefused, match="FIRST_ADMIN_PASSWORD") as refused:
        create_app(settings(tmp_path, environment="production", first_admin_password=password))
    assert password not in str(refused.value)
    create_app(settings(tmp_path, environment="development", first_admin_password=password))


@pytest.mark.parametrize("environment", ["production", "development"])
@pytest.mark.parametrize("password", ["seven 7", "x y" * 43])
def test_its_length_always_counts(tmp_path: Any, environment: str, password: str) -> None:
    with pytest.raises((StartRefused, ValueError), match="FIRST_ADMIN_PASSWORD"):
        create_app(settings(tmp_path, environment=environment, first_admin_password=password))
