"""The copy that a child reads is whole, or there is none."""

import asyncio
import resource
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from app.core.errors import FileUnreadable, StorageFull
from app.domain.files import StoredFile
from app.services.scratch import Scratch
from app.stores.blobs.folder import FolderBlobs
from app.stores.blobs.keeping import PIECE

CONTENT = bytes(range(256)) * (2 * PIECE // 256) + b"the end"


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FolderBlobs]:
    kept = FolderBlobs(tmp_path / "files")
    yield kept
    await kept.close()


async def stored(blobs: FolderBlobs, size: int = len(CONTENT)) -> StoredFile:
    """A file of which this is kept; `size` is what its row says."""
    file = StoredFile(
        id=str(uuid4()),
        user_id=str(uuid4()),
        blob_id=str(uuid4()),
        name="a.txt",
        media_type="text/plain",
        size=size,
        sha256="",
        created_at=datetime.now(UTC),
        uploaded=True,
    )

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield CONTENT

    async with aclosing(pieces()) as content:
        await blobs.put(file.blob, content)
    return file


async def test_a_copy_is_there_as_long_as_it_is_read(blobs: FolderBlobs, tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "tmp", blobs)
    async with scratch.copy(await stored(blobs)) as path:
        assert path.read_bytes() == CONTENT
        assert path.stat().st_mode & 0o077 == 0
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_the_last_room_on_the_disk_is_left_to_others(blobs: FolderBlobs, tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "tmp", blobs, reserve=2**62)
    with pytest.raises(StorageFull):
        async with scratch.copy(await stored(blobs)):
            pass
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_copy_of_what_is_shorter_than_it_was_is_none(blobs: FolderBlobs, tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "tmp", blobs)
    with pytest.raises(FileUnreadable):
        async with scratch.copy(await stored(blobs, size=len(CONTENT) + 1)):
            pass
    assert not (tmp_path / "tmp").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
@pytest.mark.parametrize("room", [0, PIECE // 2, PIECE, 2 * PIECE, 2 * PIECE + 3])
async def test_a_disk_that_takes_only_a_part_of_it_is_an_error(blobs: FolderBlobs, tmp_path: Path, room: int) -> None:
    """A limit on the size of files stands for the disk: both take the beginning of a write, and say nothing of it."""
    scratch = Scratch(tmp_path / "tmp", blobs)
    file = await stored(blobs)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            async with scratch.copy(file):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_copy_that_is_given_up_at_any_moment_leaves_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "tmp", blobs)
    file = await stored(blobs)

    async def copied() -> None:
        async with scratch.copy(file):
            await asyncio.sleep(10)

    for number in range(60):
        copying = asyncio.create_task(copied())
        await asyncio.sleep(number / 10_000)
        copying.cancel()
        await asyncio.gather(copying, return_exceptions=True)
    async with asyncio.timeout(10):
        while any((tmp_path / "tmp").iterdir()):
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)  # threads that were on their way have arrived
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_what_a_crash_has_left_goes_and_what_is_being_read_stays(blobs: FolderBlobs, tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "tmp", blobs)
    async with scratch.copy(await stored(blobs)) as path:
        begun = datetime.now(UTC)
        await asyncio.sleep(0.05)
        (tmp_path / "tmp" / "later").write_bytes(b"x")
        await scratch.tidy(begun)
        assert not path.exists()
        assert (tmp_path / "tmp" / "later").exists()
