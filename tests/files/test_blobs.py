"""What every place for files promises, whichever it is."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from app.core.errors import FileUnreadable
from app.stores.blobs.keeping import PIECE, Blobs
from tests.files.places import KINDS, place
from tests.files.sending import within

SIZES = (1, PIECE - 1, PIECE, 3 * PIECE + 7, 12 * 1024 * 1024 + 1)


@pytest.fixture(params=KINDS)
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    async with place(request.param, tmp_path) as opened:
        yield opened


def new_key(user_id: str | None = None) -> str:
    return f"{user_id or uuid4()}/{uuid4()}"


async def cut(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


async def read(blobs: Blobs, key: str, start: int, end: int) -> bytes:
    async with aclosing(blobs.read(key, start, end)) as pieces:
        return b"".join([piece async for piece in pieces])


async def kept(blobs: Blobs) -> set[str]:
    return {each.key async for page in blobs.every() for each in page}


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_put_comes_back_whole_and_in_part(blobs: Blobs, size: int) -> None:
    content, key = os.urandom(size), new_key()
    await blobs.put(key, cut(content))
    assert await read(blobs, key, 0, size) == content
    for start, end in ((0, 1), (size - 1, size), (size // 3, size // 2 + 1)):
        assert await read(blobs, key, start, end) == content[start:end]
    assert await blobs.holds(key, size)
    assert not await blobs.holds(key, size + 1)


async def test_what_is_not_there_is_unreadable_and_what_is_shorter_too(blobs: Blobs) -> None:
    key = new_key()
    with pytest.raises(FileUnreadable):
        await read(blobs, key, 0, 5)
    assert not await blobs.holds(key, 5)
    await blobs.put(key, cut(b"12345"))
    with pytest.raises(FileUnreadable):
        await read(blobs, key, 0, 6)


class Left(Exception):
    """The client has."""


async def breaking_off(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    raise Left


@pytest.mark.parametrize("count", [0, 1, 60])
async def test_an_upload_that_breaks_off_raises_what_broke_it_and_leaves_nothing(
    blobs: Blobs, count: int, tmp_path: Path
) -> None:
    key = new_key()
    with pytest.raises(Left):
        await blobs.put(key, breaking_off([b"x" * PIECE] * count))
    assert await kept(blobs) == set()
    assert within(tmp_path) == []


async def endless(begun: asyncio.Event) -> AsyncIterator[bytes]:
    for _ in range(60):
        yield b"x" * PIECE
    begun.set()
    await asyncio.Event().wait()


async def test_an_upload_that_is_given_up_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    begun = asyncio.Event()
    putting = asyncio.create_task(blobs.put(new_key(), endless(begun)))
    await asyncio.wait_for(begun.wait(), 20)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await kept(blobs) == set()
    assert within(tmp_path) == []


async def test_what_is_deleted_is_gone_and_deleting_it_again_is_no_error(blobs: Blobs) -> None:
    first, second = new_key(), new_key()
    await asyncio.gather(blobs.put(first, cut(b"1")), blobs.put(second, cut(b"2")))
    for _ in range(2):
        await blobs.delete(first)
    assert await kept(blobs) == {second}


async def test_a_users_blobs_go_together_and_nobody_elses(blobs: Blobs) -> None:
    user, other = str(uuid4()), str(uuid4())
    keys = [new_key(user) for _ in range(8)]
    stays = new_key(other)
    for key in (*keys, stays):
        await blobs.put(key, cut(b"x"))
    assert await kept(blobs) == {*keys, stays}
    for _ in range(2):
        await blobs.delete_all_of(user)
    assert await kept(blobs) == {stays}
    await blobs.put(keys[0], cut(b"again"))
    assert await read(blobs, keys[0], 0, 5) == b"again"


async def test_everything_is_told_with_the_time_since_when_it_is_there(blobs: Blobs) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    await blobs.put(new_key(), cut(b"x"))
    (found,) = [each async for page in blobs.every() for each in page]
    assert before <= found.since <= datetime.now(UTC) + timedelta(seconds=2)


async def test_twenty_uploads_at_once_do_not_mix(blobs: Blobs) -> None:
    contents = {new_key(): os.urandom(PIECE + number) for number in range(20)}
    await asyncio.gather(*(blobs.put(key, cut(content)) for key, content in contents.items()))
    for key, content in contents.items():
        assert await read(blobs, key, 0, len(content)) == content
