"""The archive under a server that knows nothing of pipes: plain ASGI."""

import asyncio
import io
import shutil
import struct
import subprocess
import zipfile
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from random import Random

import pytest

from app.core.errors import DatabaseUnavailable
from app.domain.downloads import Piece
from app.wire.archive import ArchiveResponse
from app.wire.download import DownloadLimits
from app.wire.zip_directory import ZipDirectory
from app.wire.zipping import ZipStream
from tests.wire.test_response import Client, Message

NOISE = Random(7).randbytes(300_000)  # noqa: S311


async def pieces(fault: Exception | None = None) -> AsyncGenerator[Piece, None]:
    yield Piece("a.txt", lambda: b"first, ")
    yield Piece("a.txt", lambda: b"second")
    yield Piece("folder/b.bin", lambda: NOISE)
    if fault is not None:
        raise fault
    yield Piece("empty", lambda: b"")


class Sent:
    """An archive that is being sent to a client."""

    def __init__(self, client: Client, fault: Exception | None = None, stuck: float = 5.0, whole: float = 60.0) -> None:
        self.client = client
        self.ended = 0
        self.on_break: Callable[[], None] = lambda: None
        self._fault = fault
        response = ArchiveResponse(self, filename="all.zip", limits=DownloadLimits(stuck=stuck, whole=whole))
        scope = {"type": "http", "method": "GET"}
        self.sending = asyncio.ensure_future(response(scope, client.receive, client.send))

    def pieces(self) -> AsyncGenerator[Piece, None]:
        return pieces(self._fault)

    def release(self) -> None:
        self.ended += 1

    @property
    def complete(self) -> bool:
        return self.client.sent[-1].get("more_body") is False


def is_whole(archive: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            return files.testzip() is None
    except zipfile.BadZipFile:
        return False


async def test_all_pieces_arrive_in_their_files() -> None:
    sent = Sent(Client())
    await sent.sending
    assert (sent.complete, sent.ended) == (True, 1)
    body = b"".join(sent.client.bodies)
    assert is_whole(body)
    with zipfile.ZipFile(io.BytesIO(body)) as files:
        assert files.namelist() == ["a.txt", "folder/b.bin", "empty"]
        assert (files.read("a.txt"), files.read("empty")) == (b"first, second", b"")
        assert files.read("folder/b.bin") == NOISE
    assert max(map(len, sent.client.bodies)) <= 16 * 1024


@pytest.mark.parametrize("fault", [DatabaseUnavailable(), ValueError("unexpected")], ids=["away", "unexpected"])
async def test_one_that_fails_is_never_completed(fault: Exception) -> None:
    sent = Sent(Client(), fault)
    try:
        await sent.sending
    except ValueError:
        assert isinstance(fault, ValueError)  # for the edge to log
    assert (sent.complete, sent.ended) == (False, 1)
    assert not is_whole(b"".join(sent.client.bodies))


async def test_a_client_that_leaves_ends_it() -> None:
    client = Client()
    client.reads.clear()
    sent = Sent(client)
    await asyncio.sleep(0.05)
    client.leaves.set()
    client.reads.set()
    await asyncio.wait_for(sent.sending, 5)
    assert sent.ended == 1
    assert not sent.complete


class Stuck(Client):
    """It takes the head and a little, and no more."""

    async def send(self, message: Message) -> None:
        await super().send(message)
        if len(self.sent) == 3:
            self.reads.clear()


async def test_a_client_that_takes_nothing_more_is_dropped() -> None:
    sent = Sent(Stuck(), stuck=0.1)
    await asyncio.wait_for(sent.sending, 5)
    assert (sent.complete, sent.ended) == (False, 1)


class Slow(Client):
    """It takes a part now and then, each in less time than it may."""

    async def send(self, message: Message) -> None:
        await asyncio.sleep(0.1)
        await super().send(message)


async def test_a_client_that_takes_too_little_is_dropped() -> None:
    sent = Sent(Slow(), stuck=0.2)
    await asyncio.wait_for(sent.sending, 5)
    assert (sent.complete, sent.ended) == (False, 1)
    assert 0 < len(b"".join(sent.client.bodies)) < 64 * 1024


async def test_a_slow_client_that_takes_enough_gets_all_of_it() -> None:
    sent = Sent(Slow(), stuck=3)
    await asyncio.wait_for(sent.sending, 30)
    assert (sent.complete, sent.ended) == (True, 1)
    assert is_whole(b"".join(sent.client.bodies))


async def test_one_that_takes_too_long_in_all_is_dropped() -> None:
    sent = Sent(Stuck(), stuck=60, whole=0.1)
    await asyncio.wait_for(sent.sending, 5)
    assert (sent.complete, sent.ended) == (False, 1)


async def test_one_that_is_broken_off_ends_without_a_word() -> None:
    sent = Sent(Stuck())
    await sent.client.until(lambda: len(sent.client.sent) == 3)
    sent.on_break()
    await asyncio.wait_for(sent.sending, 5)
    assert (sent.complete, sent.ended) == (False, 1)
    assert not is_whole(b"".join(sent.client.bodies))


def unzips(archive: Path) -> bool:
    """Whether another reader than Python's takes it, where there is one."""
    unzip = shutil.which("unzip")
    return unzip is None or subprocess.run([unzip, "-tqq", archive], check=False).returncode == 0


def zipped(*files: Piece) -> bytes:
    stream = ZipStream()
    return b"".join(stream.add(each) for each in files) + b"".join(stream.end())


def test_every_file_has_room_for_more_than_four_gigabytes(tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    archive.write_bytes(zipped(Piece("a.txt", lambda: b"a"), Piece("文件.txt", lambda: b"b")))
    name_length, extra_length = struct.unpack_from("<2H", archive.read_bytes(), 26)
    extra = archive.read_bytes()[30 + name_length :][:extra_length]
    assert struct.unpack_from("<2H", extra) == (1, 16), "sizes of 64 bits"
    with zipfile.ZipFile(archive) as files:
        assert [(each, files.read(each)) for each in files.namelist()] == [("a.txt", b"a"), ("文件.txt", b"b")]
    assert unzips(archive)


def test_a_directory_of_very_many_files_comes_in_parts(tmp_path: Path) -> None:
    count, stream, archive = 66_000, ZipStream(), tmp_path / "all.zip"
    with archive.open("wb") as file:
        for number in range(count):
            file.write(stream.add(Piece(f"conversations/{number:036}.json", lambda: b"{}")))
        for part in stream.end():
            assert len(part) <= 64 * 1024
            file.write(part)
    with zipfile.ZipFile(archive) as files:
        assert len(files.namelist()) == count
        assert files.read(f"conversations/{count - 1:036}.json") == b"{}"
    assert unzips(archive)


def test_what_lies_beyond_four_gigabytes_is_found(tmp_path: Path) -> None:
    directory, start = ZipDirectory(), 12 << 30
    for place, size in ((5 << 30, 7), (0, 6 << 30), (0, 0)):
        entry = zipfile.ZipInfo(f"{place}-{size}")
        entry.CRC, entry.header_offset, entry.file_size, entry.compress_size = 0, place, size, size
        directory.add(entry)
    with (tmp_path / "all.zip").open("wb") as sparse:
        sparse.seek(start)
        sparse.writelines(directory.parts(start))
    with zipfile.ZipFile(tmp_path / "all.zip") as files:
        found = [(each.header_offset, each.file_size, each.compress_size) for each in files.infolist()]
    assert found == [(5 << 30, 7, 7), (0, 6 << 30, 6 << 30), (0, 0, 0)]
