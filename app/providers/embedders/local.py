"""Models that run in this process, by `fastembed`: in a thread of their own, for they take all the time they get."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from app.core.config import StartRefused
from app.domain.embedding import Vector
from app.providers.embedders.source import Kind, Reply
from app.providers.verdicts import PROTOCOL, TIMEOUT, UNKNOWN_MODEL, UNREACHABLE

logger = logging.getLogger(__name__)

_AT_ONCE = 8
"""A question waits for the passages that are under way: on one core a tenth of a second for a small model."""
_LOAD_EACH = 60.0
"""Seconds from one attempt to load a model to the next."""


class Row(Protocol):
    """Of an array of numbers."""

    def tolist(self) -> list[float]: ...


class Model(Protocol):
    """As fastembed's `TextEmbedding`: a row for each text, made as they are taken."""

    def query_embed(self, query: str | Iterable[str]) -> Iterable[Row]: ...

    def passage_embed(self, texts: Iterable[str]) -> Iterable[Row]: ...


class LocalSource:
    """`load` takes seconds and is called in the thread when the first text comes; if it fails, a minute later again.

    What is under way when its time is over is finished, but nobody gets it. `clock` counts seconds.
    """

    at_once = _AT_ONCE

    def __init__(
        self, load: Callable[[], Model], patience: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._patience = patience
        self._clock = clock
        self._load_at = float("-inf")
        self._model: Model | None = None
        self._closed = False
        self._thread = ThreadPoolExecutor(1, "embedder")

    async def ask(self, texts: Sequence[str], kind: Kind) -> Reply:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._patience):
                return Reply(await loop.run_in_executor(self._thread, self._embed, texts, kind), None)
        except TimeoutError as error:
            raise TIMEOUT.failure() from error
        except RuntimeError as error:  # closed meanwhile
            raise UNREACHABLE.failure() from error

    async def aclose(self) -> None:
        self._closed = True
        self._thread.shutdown(wait=False)

    def _embed(self, texts: Sequence[str], kind: Kind) -> Sequence[Vector]:
        if self._closed:
            raise UNREACHABLE.failure()
        model = self._loaded()
        try:
            rows = model.query_embed(texts) if kind is Kind.QUESTION else model.passage_embed(texts)
            return [row.tolist() for row in rows]
        except Exception as error:  # onnxruntime raises what it likes
            raise PROTOCOL.failure() from error

    def _loaded(self) -> Model:
        if self._model is None:
            if self._clock() < self._load_at:
                raise UNKNOWN_MODEL.failure()
            self._load_at = self._clock() + _LOAD_EACH
            try:
                self._model = self._load()
            except Exception as error:  # a model that is not there, or not whole
                logger.warning("EMBEDDING_MODEL: the model cannot be loaded: %s", error)
                raise UNKNOWN_MODEL.failure() from error
        return self._model


def fastembed(model: str, folder: Path, *, download: bool) -> Callable[[], Model]:
    """What loads a model from the folder, or with `download` into it.

    Raises ImportError where fastembed is missing, and StartRefused for a model that it does not have.
    """
    # Not at the top: it is an extra, and takes a second and 100 MB to load.
    from fastembed import TextEmbedding  # noqa: PLC0415

    if model.lower() not in (each["model"].lower() for each in TextEmbedding.list_supported_models()):
        raise StartRefused(f"EMBEDDING_MODEL: fastembed has no model {model}")

    def load() -> Model:
        # Half of the cores: answers are relayed by this process too.
        threads = max(1, (os.cpu_count() or 1) // 2)
        loaded: Model = TextEmbedding(model, str(folder), threads=threads, local_files_only=not download)
        return loaded

    return load
