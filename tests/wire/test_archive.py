"""The archive under a server that knows nothing of pipes: plain ASGI."""

import asyncio
import io
import zipfile
from collections.abc import AsyncGenerator
from random import Random

import pytest

from app.core.errors import DatabaseUnavailable
from app.domain.archives import Piece
from app.wire.archive import ArchiveResponse
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
    """A response that is being sent to a client."""

    def __init__(self, client: Client, fault: Exception | None = None, stuck: float = 5.0) -> None:
        self.client = client
        self.ended = 0
        response = ArchiveResponse(pieces(fault), filename="all.zip", stuck=stuck, done=self._end)
        scope = {"type": "http", "method": "GET"}
        self.sending = asyncio.ensure_future(response(scope, client.receive, client.send))

    def _end(self) -> None:
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
