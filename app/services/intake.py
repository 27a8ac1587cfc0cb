"""A file while it comes: bounded in size, and looked at on the way."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace

from app.core.errors import EmptyFile, TooLarge
from app.parsing.kinds import HEAD, TAIL, FileKind, sniff
from app.stores.blobs.keeping import PIECE


@dataclass(frozen=True, slots=True)
class Received:
    """A file that has come to its end, and whose bytes are kept under `blob_id`; it is nobody's yet."""

    blob_id: str
    name: str
    kind: FileKind
    size: int
    sha256: str

    def as_kind(self, kind: FileKind) -> "Received":
        """The same, where it is known from elsewhere what it is."""
        return replace(self, kind=kind)


class Intake:
    """One file. What takes long, to hash and to look, is done in threads."""

    def __init__(self, chunks: AsyncIterator[bytes], most: int) -> None:
        self._chunks = chunks
        self._most = most
        self._hash = hashlib.sha256()
        self._head = b""
        self._tail = b""
        self._size = 0

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """All of it, in pieces of PIECE bytes but for the last. Raises TooLarge as soon as it is."""
        gathered: list[bytes] = []
        size = 0
        async for chunk in self._chunks:
            self._size += len(chunk)
            if self._size > self._most:
                raise TooLarge(f"A file may have {self._most} bytes.")
            gathered.append(chunk)
            size += len(chunk)
            if size >= PIECE:
                whole = b"".join(gathered)
                gathered, size = [whole[PIECE:]], size - PIECE
                yield await self._seen(whole[:PIECE])
                del whole
        rest = b"".join(gathered)
        for start in range(0, size, PIECE):
            yield await self._seen(rest[start : start + PIECE])

    async def received(self, blob_id: str, name: str) -> Received:
        """What it has been. Raises EmptyFile where there was nothing."""
        if not self._size:
            raise EmptyFile(field="file")
        kind = await asyncio.to_thread(sniff, self._head, self._tail, name)
        return Received(blob_id, name, kind, self._size, self._hash.hexdigest())

    async def _seen(self, piece: bytes) -> bytes:
        await asyncio.to_thread(self._look, piece)
        return piece

    def _look(self, piece: bytes) -> None:
        self._hash.update(piece)
        if len(self._head) < HEAD:
            self._head += piece[: HEAD - len(self._head)]
        self._tail = (self._tail + piece[-TAIL:])[-TAIL:]
