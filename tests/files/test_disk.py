"""A folder on a disk that others need, too."""

import shutil
from pathlib import Path

import pytest

from app.core.errors import StorageFull
from app.stores.blobs.disk import Disk
from app.stores.blobs.keeping import PIECE


def fill(disk: Disk, path: Path) -> None:
    for _ in range(40):
        disk.append(path, b"x" * PIECE)


def test_the_last_room_on_the_disk_is_left_to_others(tmp_path: Path) -> None:
    wanting = Disk(tmp_path, reserve=shutil.disk_usage(tmp_path).total)
    with pytest.raises(StorageFull):
        wanting.begin()
    path = Disk(tmp_path, reserve=0).begin()
    with pytest.raises(StorageFull):  # it got short after the beginning
        fill(wanting, path)
    assert path.stat().st_size <= 4 * 1024 * 1024


def test_an_ordinary_disk_has_room(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    path = disk.begin()
    fill(disk, path)
    assert path.stat().st_size == 40 * PIECE
