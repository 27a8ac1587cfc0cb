"""Vectors of texts, made once for a folder: a corpus takes minutes."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from app.domain.scripts import Script
from tests.eval.minilm import DIMENSIONS, Floats, MiniLM


class KeptEmbedder:
    """An Embedder which knows English, and keeps what it made of each list of texts in a file."""

    dimensions = DIMENSIONS
    scripts = frozenset({Script.LATIN})

    def __init__(self, wheel: Path, folder: Path) -> None:
        self._model = MiniLM(wheel)
        self._folder = folder
        self._known: dict[str, Sequence[float]] = {}

    def learn(self, texts: Sequence[str]) -> None:
        """Make the vectors of many at once, so that asking for one of them costs nothing."""
        texts = sorted(set(texts))
        digest = sha256("\0".join(texts).encode()).hexdigest()
        path = self._folder / f"{digest[:16]}.npy"
        if path.exists():
            rows: Floats = np.load(path)
        else:
            rows = self._model.embed(texts)
            self._folder.mkdir(parents=True, exist_ok=True)
            np.save(path, rows)
        self._known |= dict(zip(texts, rows.tolist(), strict=True))

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        missing = [text for text in texts if text not in self._known]
        if missing:
            self._known |= dict(zip(missing, self._model.embed(missing).tolist(), strict=True))
        return [self._known[text] for text in texts]
