"""Pages are gathered to batches, and none waits long for others."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from app.domain.passages import Page
from app.parsing.errors import Damaged
from app.services.batching import batches


async def numbered(*pauses: float, length: int = 10, fault: Exception | None = None) -> AsyncGenerator[Page, None]:
    for number, pause in enumerate(pauses, 1):
        await asyncio.sleep(pause)
        yield Page(number, "x" * length)
    if fault is not None:
        raise fault


async def gathered(pages: AsyncGenerator[Page, None]) -> Sequence[Sequence[int]]:
    async with aclosing(pages), aclosing(batches(pages)) as parts:
        return [[page.number for page in part] async for part in parts]


async def test_all_pages_come_in_order_some_at_a_time() -> None:
    found = await gathered(numbered(*[0] * 120))
    assert [len(part) for part in found] == [50, 50, 20]
    assert [number for part in found for number in part] == list(range(1, 121))


async def test_long_pages_make_short_batches() -> None:
    assert await gathered(numbered(*[0] * 5, length=150_000)) == [[1, 2], [3, 4], [5]]


async def test_a_page_does_not_wait_for_a_slow_one() -> None:
    assert await gathered(numbered(0, 0, 2.5, 0)) == [[1, 2], [3, 4]]


async def test_of_no_pages_there_are_no_batches() -> None:
    assert await gathered(numbered()) == []


async def test_what_goes_wrong_is_raised_on() -> None:
    with pytest.raises(Damaged):
        await gathered(numbered(0, 0, fault=Damaged()))
