"""What `/metrics` says: this process's own numbers, or those of all workers behind the same port.

A scrape reaches any one of the workers, so that one asks the others, over sockets in a folder that is theirs. Each
keeps its own series under a label `worker`: a sum would fall when one of them dies, which Prometheus takes for a reset
of all.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.core.metrics import Metrics

logger = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds that a scrape waits for the other workers; who says nothing by then is left out, and `ai_worker_up` is 0."""
_HELP = "# HELP "
_END = b"# EOF\n"
"""Of what a worker tells: what comes without it was cut off when that one died."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who answers for which worker."""

    number: int
    count: int
    folder: Path

    @property
    def others(self) -> Sequence[int]:
        return [number for number in range(1, self.count + 1) if number != self.number]

    def socket(self, number: int) -> Path:
        return self.folder / str(number)


class Exposition:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._crew: Crew | None = None
        self._server: asyncio.Server | None = None
        self.last_ones = False
        """The parent has died: nobody else removes the folder, and nobody comes after these workers."""

    async def join(self, crew: Crew) -> None:
        """Answer the others, and ask them from now on."""
        self._crew = crew
        own = crew.socket(crew.number)
        try:
            own.unlink(missing_ok=True)  # that of one who died here
            self._server = await asyncio.start_unix_server(self._tell, own)
        except OSError:  # the folder has gone, or its name is too long for a socket
            logger.exception("the other workers cannot ask this one for its metrics")

    async def text(self) -> bytes:
        """All of it in Prometheus' text format 0.0.4, the one that every reader takes."""
        crew = self._crew
        if crew is None:
            return self._metrics.exposition()
        told = await asyncio.gather(*(_ask(crew.socket(number)) for number in crew.others))
        heard = {crew.number: self._labelled(crew), **dict(zip(crew.others, told, strict=True))}
        lines = (f'ai_worker_up{{worker="{number}"}} {float(bool(heard[number]))}\n' for number in sorted(heard))
        up = f"{_HELP}ai_worker_up Whether this worker answered the others.\n# TYPE ai_worker_up gauge\n"
        return (_merged(heard[number].decode() for number in sorted(heard)) + up + "".join(lines)).encode()

    def close(self) -> None:
        """Harmless when there is nobody else."""
        if self._crew is not None and self._server is not None:
            self._server.close()
            self._crew.socket(self._crew.number).unlink(missing_ok=True)
            if self.last_ones:
                with suppress(OSError):  # others are there still
                    self._crew.folder.rmdir()

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._crew is not None:
            with suppress(OSError):
                writer.write(self._labelled(self._crew) + _END)
                await writer.drain()
        writer.close()

    def _labelled(self, crew: Crew) -> bytes:
        return self._metrics.exposition(worker=str(crew.number))


async def _ask(address: Path) -> bytes:
    """Empty where nobody answers in full."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(address)
            try:
                told = await reader.read()
            finally:
                writer.close()
    except OSError:  # a timeout is one
        return b""
    return told.removesuffix(_END) if told.endswith(_END) else b""


def _merged(texts: Iterable[str]) -> str:
    """The lines of a family have to stand together, under one head."""
    families: dict[str, list[str]] = {}
    for text in texts:
        for family in text.split(_HELP)[1:]:
            about, kind, samples = family.split("\n", 2)
            families.setdefault(f"{_HELP}{about}\n{kind}\n", []).append(samples)
    return "".join(head + "".join(samples) for head, samples in families.items())
