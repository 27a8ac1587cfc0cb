"""The spaces in a folder, as the engine's process has them."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import msgspec

from app.stores.vectors.naming import check_space_name
from app.stores.vectors.shard import Shard

_ABOUT = "space.json"
_UNFINISHED = "."
"""Begins the name of a folder that is being made or thrown away; at the start there is no use for it."""


class NotThere(Exception):
    """No such space has been opened here."""


class _About(msgspec.Struct, frozen=True):
    dimensions: int | None


class Shelf:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: dict[str, Shard] = {}
        for rest in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(rest, ignore_errors=True)

    def open(self, name: str, dimensions: int | None) -> None:
        """Raises ValueError where it is there with other dimensions."""
        check_space_name(name)
        if not (self._folder / name).is_dir():
            self._make(name, dimensions)
        there = self.shard(name).dimensions
        if there != dimensions:
            raise ValueError(f"this space has dimensions {there}, not {dimensions}")

    def shard(self, name: str) -> Shard:
        """Raises NotThere."""
        check_space_name(name)
        shard = self._shards.get(name)
        if shard is None:
            folder = self._folder / name
            if not folder.is_dir():
                raise NotThere
            about = msgspec.json.decode((folder / _ABOUT).read_bytes(), type=_About)
            shard = self._shards[name] = Shard(folder, about.dimensions)
        return shard

    def names(self) -> Sequence[str]:
        return sorted(
            each.name for each in self._folder.iterdir() if each.is_dir() and not each.name.startswith(_UNFINISHED)
        )

    def drop(self, name: str) -> None:
        check_space_name(name)
        if (shard := self._shards.pop(name, None)) is not None:
            shard.close()
        folder = self._folder / name
        if folder.is_dir():
            # Gone at once, by its name; who dies while it is emptied goes on at the next start.
            shutil.rmtree(folder.rename(self._unfinished()))

    def save(self, *, older_than: float) -> None:
        """Make writes as safe as the disk that have waited so many seconds for it."""
        for shard in self._shards.values():
            if shard.unsaved_for() > older_than:
                shard.flush()

    def tidy(self) -> None:
        for shard in self._shards.values():
            shard.tidy()

    def close(self) -> None:
        with ExitStack() as all_of_them:
            for shard in self._shards.values():
                all_of_them.callback(shard.close)

    def _make(self, name: str, dimensions: int | None) -> None:
        """Aside first, so that it is there whole or not at all."""
        aside = self._unfinished()
        aside.mkdir()
        Shard.make(aside, dimensions)
        (aside / _ABOUT).write_bytes(msgspec.json.encode(_About(dimensions)))
        aside.rename(self._folder / name)

    def _unfinished(self) -> Path:
        return self._folder / f"{_UNFINISHED}{uuid4().hex}"
