"""A user who is gone gets nothing more, from any door, and is told so: what was cut off never looks whole."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from app.models.identity import users
from app.models.usage import usage_records
from tests.accounts.behind import alter, rows
from tests.backend import PASSWORD, User
from tests.chat.conftest import serving
from tests.doors.conftest import Service
from tests.doors.every_door import DOORS, asked, both_ways, looks_whole, tells_an_error
from tests.upstream import Answer, Upstream

WAYS = [(path, stream) for path in DOORS for stream in (True, False)]
SAID = Answer(("a", "b", "c"), hold=True)


@pytest.fixture(scope="module")
async def service(
    every_vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    many: dict[str, Any] = {"max_concurrent_generations_per_user": 100}
    async with serving(every_vendor, sqlite_template, tmp_path_factory.mktemp("gone"), **many) as service:
        yield service


async def reading(user: User, vendor: Upstream, **headers: str) -> list[asyncio.Task[httpx.Response]]:
    """At every door, each in the midst of its answer."""
    vendor.script(SAID)
    tasks = [asyncio.create_task(asked(user, path, stream=stream, headers=headers)) for path, stream in WAYS]
    await vendor.requested(len(tasks))
    for call in vendor.calls:
        await vendor.release(request=call)
    return tasks


def told_so(answers: list[httpx.Response]) -> None:
    for (path, stream), answer in zip(WAYS, answers, strict=True):
        assert not looks_whole(answer), (path, stream, answer.text)
        assert tells_an_error(answer), (path, stream, answer.text)
        assert answer.status_code == (200 if stream else 409), (path, answer.text)


async def test_who_is_locked_out_by_whichever_instance(service: Service, vendor: Upstream) -> None:
    bob = await service.backend.user("bob")
    me = (await bob.http.get("/users/me")).json()["id"]
    answers = await reading(bob, vendor)
    await alter(service.database_url, update(users).where(users.c.id == me).values(is_active=False))
    async with asyncio.timeout(20):
        told_so(list(await asyncio.gather(*answers)))
    assert {call.ended for call in vendor.calls} == {"aborted"}
    outcomes = select(usage_records.c.outcome).where(usage_records.c.user_id == me)
    async with asyncio.timeout(10):
        while len(booked := await rows(service.database_url, outcomes)) < len(WAYS):
            await asyncio.sleep(0.05)
    assert [each["outcome"] for each in booked] == ["stopped"] * len(WAYS)


async def test_who_closes_the_account_leaves_nothing_behind(service: Service, vendor: Upstream) -> None:
    carol = await service.backend.user("carol")
    me = (await carol.http.get("/users/me")).json()["id"]
    answers = await reading(carol, vendor)
    vectors = asyncio.create_task(carol.http.post("/v1/embeddings", json={"model": "openai/m", "input": "x"}))
    asked_for = await vendor.requested(len(WAYS) + 1)
    closed = await carol.http.request("DELETE", "/users/me", json={"password": PASSWORD})
    assert closed.status_code == 204, closed.text
    async with asyncio.timeout(20):
        told_so(list(await asyncio.gather(*answers)))
    assert {call.ended for call in vendor.calls if call is not asked_for} == {"aborted"}
    await vendor.finish(request=asked_for)
    await vectors
    assert not await rows(service.database_url, select(usage_records.c.id).where(usage_records.c.user_id == me))


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
@both_ways
async def test_a_stored_answer_that_is_stopped_does_not_look_whole(
    service: Service, vendor: Upstream, path: str, stream: bool
) -> None:
    vendor.script(SAID)
    headers = {"X-Conversation-ID": "new"}
    given = {"store": None} if path.endswith("responses") else {}
    task = asyncio.create_task(asked(service.alice, path, stream=stream, headers=headers, **given))
    await vendor.release()
    [conversation] = (await service.alice.http.get("/conversations?limit=1")).json()["items"]
    generation = (await service.alice.messages(conversation["id"]))[-1]["generation_id"]
    await service.alice.http.post(f"/ai/generations/{generation}/stop")
    answer = await task
    assert not looks_whole(answer), answer.text
    assert tells_an_error(answer), answer.text
