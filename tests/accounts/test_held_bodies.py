"""A request whose body is held back is judged by the rights that are left when it has come."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from app.models.chat import messages
from app.models.identity import api_keys
from tests.accounts.behind import rows
from tests.accounts.signing import ask, sign_in
from tests.backend import PASSWORD, Backend
from tests.conftest import Serve
from tests.upstream import Upstream

ADMIN_PASSWORD = "a first password 一"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class Held:
    """A request without the last byte of its body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._last = last

    async def status(self) -> int:
        """With the last byte."""
        self._writer.write(self._last)
        async with asyncio.timeout(20):
            return int((await self._reader.readline()).split()[1])


@asynccontextmanager
async def held(
    backend: Backend, method: str, path: str, body: bytes, media_type: str, **headers: str
) -> AsyncIterator[Held]:
    url = urlsplit(backend.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = {"Host": "x", "Content-Type": media_type, "Content-Length": str(len(body)), **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    writer.write("\r\n".join(lines).encode() + body[:-1])
    await writer.drain()
    await asyncio.sleep(0.7)  # so that it is let in, and longer than that holds
    try:
        yield Held(reader, writer, body[-1:])
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users/me/api-keys", {"name": "kept"}),
        ("PATCH", "/users/me", {"name": "kept"}),
        ("POST", "/ai/chat", {"message": "kept"}),
    ],
)
async def test_a_session_that_is_ended_meanwhile_does_nothing_more(
    backend: Backend, database_url: str, database_kind: str, method: str, path: str, body: dict[str, Any]
) -> None:
    user = await backend.user("owner")
    stolen = await sign_in(backend, user)
    bearer = stolen.bearer["Authorization"]
    async with held(backend, method, path, json.dumps(body).encode(), JSON, Authorization=bearer) as request:
        change = {"password": "another password 二", "current_password": PASSWORD}
        assert (await user.http.patch("/users/me", json=change)).status_code == 200
        assert await request.status() == 401
    assert not await rows(database_url, select(api_keys))
    assert (await user.http.get("/users/me")).json()["name"] is None
    (counted,) = await rows(database_url, select(func.count()).select_from(messages))
    assert counted["count"] == 0


async def test_who_was_an_administrator_when_a_request_began_is_none_at_its_end(serve: Serve) -> None:
    backend = await serve(first_admin_password=ADMIN_PASSWORD)
    form = {"username": "admin@example.com", "password": ADMIN_PASSWORD}
    signed_in = await ask(backend, "POST", "/auth/login", data=form)
    first = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    user = await backend.user("second")
    second = (await user.http.get("/users/me")).json()["id"]
    promote = {"role": "admin"}
    own = f"/users/{second}"
    assert (await ask(backend, "PATCH", own, json=promote, headers=first)).status_code == 200
    token = f"Bearer {user.token}"
    async with held(backend, "PATCH", own, json.dumps(promote).encode(), JSON, Authorization=token) as request:
        demoted = await ask(backend, "PATCH", own, json={"role": "user"}, headers=first)
        assert demoted.status_code == 200
        assert await request.status() == 403
    assert (await user.http.get("/users")).status_code == 403


async def test_forms_that_never_end_keep_nobody_from_signing_in(backend: Backend, upstream: Upstream) -> None:
    user = await backend.user("owner")
    form = b"username=nobody%40example.com&password=wrong-password"
    async with AsyncExitStack() as stack:
        waiting = [stack.enter_async_context(held(backend, "POST", "/auth/login", form, FORM)) for _ in range(80)]
        requests = await asyncio.gather(*waiting)
        assert (await sign_in(backend, user)).bearer
        assert await requests[0].status() == 401
