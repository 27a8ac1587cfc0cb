"""A process that is told to go: at every door what runs may finish, and what does not is told to have failed."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.models.usage import usage_records
from tests.accounts.behind import rows
from tests.chat.conftest import serving
from tests.doors.every_door import DOORS, asked, looks_whole, tells_an_error
from tests.holding import held
from tests.upstream import Answer, Upstream

CHAT = "/v1/chat/completions"
WAYS = [(path, stream) for path in DOORS for stream in (True, False)]
MANY: dict[str, Any] = {"max_concurrent_generations_per_user": 100}


@pytest.mark.parametrize("finishes", [True, False])
async def test_at_every_door(
    every_vendor: Upstream, vendor: Upstream, sqlite_template: Path, tmp_path: Path, finishes: bool
) -> None:
    vendor.script(Answer(("a", "b"), hold=True))
    async with serving(every_vendor, sqlite_template, tmp_path, **MANY) as service:
        alice, house = service.alice, service.backend.house
        tasks = [asyncio.create_task(asked(alice, path, stream=stream)) for path, stream in WAYS]
        await vendor.requested(len(WAYS))
        for call in vendor.calls:
            await vendor.release(request=call)
        draining = asyncio.create_task(house.drain(5 if finishes else 0))
        await asyncio.sleep(0.02)
        refused = [await asked(alice, path, stream=stream) for path, stream in WAYS]
        if finishes:
            for call in vendor.calls:
                await vendor.finish(request=call)
        answers: list[httpx.Response] = list(await asyncio.gather(*tasks))
        await draining
        outcomes = await rows(service.database_url, select(usage_records.c.outcome))

    assert {(each.status_code, tells_an_error(each)) for each in refused} == {(503, True)}
    assert all(int(each.headers["retry-after"]) > 0 for each in refused)
    assert len(vendor.calls) == len(WAYS)
    for (path, stream), answer in zip(WAYS, answers, strict=True):
        assert looks_whole(answer) is finishes, (path, stream, answer.text)
        assert tells_an_error(answer) is not finishes, (path, stream, answer.text)
        assert answer.status_code == (200 if stream or finishes else 503)
    ended = "complete" if finishes else "instance_draining"
    assert [each["outcome"] for each in outcomes] == [ended] * len(WAYS)


async def test_what_is_being_booked_is_waited_for(
    every_vendor: Upstream, vendor: Upstream, sqlite_template: Path, tmp_path: Path
) -> None:
    vendor.script(Answer(usage=(9, 3)))
    async with serving(every_vendor, sqlite_template, tmp_path, **MANY, database_statement_timeout=0.2) as service:
        async with held(tmp_path / "app.db"):
            answer = asyncio.create_task(asked(service.alice, CHAT, stream=True))
            await vendor.ended()
            draining = asyncio.create_task(service.backend.house.drain(0))
            assert looks_whole(await answer)
        await draining
        outcomes = await rows(service.database_url, select(usage_records.c.outcome))
    assert [each["outcome"] for each in outcomes] == ["complete"]
