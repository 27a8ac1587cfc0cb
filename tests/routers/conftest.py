"""The whole application over ASGI on a fresh SQLite file, and people who use it."""

import io
import itertools
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.bootstrap import House
from app.core.config import Settings
from app.core.logging import JsonFormatter
from app.main import create_app
from tests.backend import unlimited

ADMIN = {"username": "admin@example.com", "password": "canary-admin-password"}


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[FastAPI]:
    """The application with these settings, open for requests."""
    values: dict[str, Any] = {
        "database_url": f"sqlite+aiosqlite:///{folder}/app.db",
        "data_dir": folder,
        "first_admin_password": ADMIN["password"],
        "watchdog_seconds": 60,  # fixtures of other tests hold this loop up
        **unlimited(settings.get("environment")),
    }
    app = create_app(Settings(_env_file=None, **(values | settings)))
    house: House = app.state.house
    await house.open()
    try:
        yield app
    finally:
        await house.close()


def browser(app: FastAPI) -> httpx.AsyncClient:
    """A client with a cookie jar of its own."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
async def app(folder: Path) -> AsyncIterator[FastAPI]:
    """One for all tests, which keep out of each other's way by having people of their own."""
    async with serving(folder) as app:
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app) as client:
        yield client


@dataclass
class Person:
    """Someone with an account, signed in by header and by nothing else."""

    email: str
    password: str
    access: str
    refresh: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


_numbers = itertools.count()


def new_address() -> str:
    return f"person-{next(_numbers)}@example.com"


async def sign_in(client: httpx.AsyncClient, email: str, password: str) -> Person:
    answer = await client.post("/auth/login", data={"username": email, "password": password})
    client.cookies.clear()
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    return Person(email, password, tokens["access_token"], tokens["refresh_token"])


async def sign_up(client: httpx.AsyncClient) -> Person:
    email, password = new_address(), "canary-password"
    answer = await client.post("/auth/register", json={"email": email, "password": password})
    assert answer.status_code == 201, answer.text
    return await sign_in(client, email, password)


@pytest.fixture
async def person(client: httpx.AsyncClient) -> Person:
    return await sign_up(client)


@pytest.fixture
async def admin(client: httpx.AsyncClient) -> Person:
    return await sign_in(client, ADMIN["username"], ADMIN["password"])


class Logs(io.StringIO):
    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Every line that the application logs meanwhile, from debug on."""
    stream = Logs()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("app")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)
