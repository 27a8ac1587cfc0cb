"""Blobs in a bucket of S3, or of any server that speaks its protocol."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from app.core.errors import FileUnreadable, StorageUnavailable
from app.stores.blobs.keeping import PIECE, Kept

if TYPE_CHECKING:
    from obstore import ListStream, ObjectMeta
    from obstore.store import S3Config

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FOLDER = "files"
_PART = 5 * 1024 * 1024
"""Bytes of a part of a large upload: the least that S3 takes, and 10,000 parts, so that a file may have 50 GB."""
_PARTS_AT_ONCE = 2
_LISTED = 500
_ATTEMPTS = 2
_SETTLING = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Where it is; without `endpoint` at Amazon, without `keys` (id and secret) by the role of this machine.

    `patience` is in seconds: for a connection and for each request, of which a large upload has many.
    """

    name: str
    endpoint: str | None = None
    region: str = "us-east-1"
    keys: tuple[str, str] | None = None
    patience: float = 20.0


class BucketBlobs:
    """Under `files/<user>/<blob>` in the bucket."""

    at_once = 4  # each holds some 20 MB: parts that are gathered, and parts that are on their way

    def __init__(self, bucket: Bucket) -> None:
        self._store = _open(bucket)
        # An attempt, its repetition and the wait between them.
        self._patience = bucket.patience * _ATTEMPTS + 5

    async def put(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        first, more = await _first_part(pieces)
        if not more:
            await self._within(obstore.put_async(self._store, _path(key), first, use_multipart=False))
            return
        source = _Source(first, pieces)
        # By itself: when this is given up, the server still has to be told that no more parts will come.
        sending = asyncio.ensure_future(
            obstore.put_async(
                self._store, _path(key), source.pieces(), chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE
            )
        )
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            source.stop()
            await asyncio.wait({sending}, timeout=self._patience)
            raise
        except BaseError as error:
            raise _unavailable(error) from error

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        # A request for each piece: none is open while a reader takes its time.
        while start < end:
            upto = min(start + PIECE, end)
            try:
                got = await self._within(obstore.get_range_async(self._store, _path(key), start=start, end=upto))
            except FileNotFoundError as error:
                raise FileUnreadable from error
            piece = bytes(got)
            if len(piece) != upto - start:
                raise FileUnreadable
            start = upto
            yield piece

    async def holds(self, key: str, size: int) -> bool:
        with suppress(FileNotFoundError):
            return (await self._within(obstore.head_async(self._store, _path(key))))["size"] == size
        return False

    async def delete(self, key: str) -> None:
        with suppress(FileNotFoundError):
            await self._within(obstore.delete_async(self._store, _path(key)))

    async def delete_all_of(self, user_id: str) -> None:
        async with aclosing(self._listed(f"{_FOLDER}/{user_id}/")) as pages:
            async for page in pages:
                for each in page:
                    await self.delete(each.key)

    async def every(self) -> AsyncGenerator[list[Kept], None]:
        async with aclosing(self._listed(f"{_FOLDER}/")) as pages:
            async for page in pages:
                yield page

    async def tidy(self, before: datetime) -> None:
        """Nothing: what a crash leaves of an upload the bucket removes itself, by a rule of its life cycle."""

    async def close(self) -> None:
        # The library's threads still let go of what they were given; a process that ends just then is aborted.
        await asyncio.sleep(_SETTLING)

    async def _listed(self, prefix: str) -> AsyncGenerator[list[Kept], None]:
        listing = obstore.list(self._store, prefix, chunk_size=_LISTED)
        while (page := await self._within(_next(listing))) is not None:
            yield [Kept(each["path"].removeprefix(f"{_FOLDER}/"), each["last_modified"]) for each in page]

    async def _within(self, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await work
        except (BaseError, TimeoutError) as error:
            raise _unavailable(error) from error


class _Source:
    """The pieces of an upload as they come, until it is stopped."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self._first = first
        self._rest = rest
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        yield self._first
        self._first = b""
        while (piece := await self._next()) is not None:
            yield piece

    async def _next(self) -> bytes | None:
        """The next one, for which nobody waits any longer once it is stopped."""
        coming = asyncio.ensure_future(anext(self._rest, None))
        stopping = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait((coming, stopping), return_when=asyncio.FIRST_COMPLETED)
            if self._stopped.is_set():
                raise _Stopped
            return coming.result()
        finally:
            for each in (coming, stopping):
                each.cancel()


class _Stopped(Exception):
    """Who wanted this upload does so no longer."""


async def _first_part(pieces: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """What there is up to the size of a part; and whether there may be more."""
    gathered: list[bytes] = []
    size = 0
    async for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _PART:
            return b"".join(gathered), True
    return b"".join(gathered), False


async def _next(listing: "ListStream[Sequence[ObjectMeta]]") -> "Sequence[ObjectMeta] | None":
    return await anext(listing, None)


def _path(key: str) -> str:
    return f"{_FOLDER}/{key}"


def _unavailable(error: Exception) -> StorageUnavailable:
    # Its words quote the server's answer, and so does what the log tells of causes.
    logger.warning("the bucket failed", extra={"reason": type(error).__name__})
    return StorageUnavailable(retry_after=10)


def _open(bucket: Bucket) -> S3Store:
    patience = timedelta(seconds=bucket.patience)
    config: S3Config = {"region": bucket.region, "disable_bulk_delete": True, "virtual_hosted_style_request": False}
    if bucket.endpoint is not None:
        config["endpoint"] = bucket.endpoint
    if bucket.keys is not None:
        config["access_key_id"], config["secret_access_key"] = bucket.keys
    return S3Store(
        bucket.name,
        config=config,
        client_options={
            "timeout": patience,
            "connect_timeout": min(patience, timedelta(seconds=5)),
            "allow_http": (bucket.endpoint or "").startswith("http://"),
        },
        retry_config={"max_retries": _ATTEMPTS - 1, "retry_timeout": patience},
    )
