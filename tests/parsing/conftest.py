"""Where documents are read."""

import tempfile
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _a_temporary_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is left behind there is its own, while other tests read beside it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
