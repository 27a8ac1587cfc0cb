"""Vectors of texts, as OpenAI's `/v1/embeddings` and Ollama's `/api/embed` give them.

A text's vector counts its words (of Chinese, its characters), so that texts which share some are near to each other,
and is not of unit length. What else is in the name of the model:

    -64d        so many dimensions; 32 otherwise, or what the request asks for
    -fixed      those, whatever the request asks for
    -nan        a number that is none in the last vector; in JSON, null
    -zero       the last vector is all 0
    -ragged     the last vector has one dimension less
    -fewer      one vector less than texts; `-more`, one more
    -swapped    in another order than the texts, by their `index` as OpenAI has it
"""

import json
import re
from array import array
from base64 import b64encode
from collections.abc import Sequence
from math import nan
from typing import Any, Literal
from zlib import crc32

from tests.upstream.dialects import Body, Script
from tests.upstream.dialects.ollama import Ollama
from tests.upstream.dialects.openai import OpenAI
from tests.upstream.scenarios import Answer, Usage

DIMENSIONS = 32
JSON = "application/json"
WORDS = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")


class OpenAIVectors(OpenAI):
    def wants(self, method: str, path: str) -> Literal["answer"] | None:
        return "answer" if (method, path.removeprefix("/v1")) == ("POST", "/embeddings") else None

    def streams(self, body: Body) -> bool:
        return False

    def question(self, body: Body) -> str:
        return "\n".join(texts(body))

    def script(self, answer: Answer, body: Body, number: int) -> Script:
        packed = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": place, "embedding": _packed(vector) if packed else _numbers(vector)}
            for place, vector in enumerate(vectors(body))
        ]
        if "-swapped" in body["model"]:
            data.reverse()
        answered: dict[str, Any] = {"object": "list", "model": body["model"], "data": data}
        if answer.usage is not None:
            tokens = Usage(*answer.usage).prompt
            answered["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return whole(answered, answer)


class OllamaVectors(Ollama):
    def wants(self, method: str, path: str) -> Literal["answer"] | None:
        return "answer" if (method, path) == ("POST", "/api/embed") else None

    def streams(self, body: Body) -> bool:
        return False

    def question(self, body: Body) -> str:
        return "\n".join(texts(body))

    def script(self, answer: Answer, body: Body, number: int) -> Script:
        answered: dict[str, Any] = {
            "model": body["model"],
            "embeddings": [_numbers(vector) for vector in vectors(body)],
            "total_duration": 14_143_917,
            "load_duration": 1_019_500,
        }
        if answer.usage is not None:
            answered["prompt_eval_count"] = Usage(*answer.usage).prompt
        return whole(answered, answer)


def texts(body: Body) -> Sequence[str]:
    """Ids of tokens count as words."""
    given = body.get("input", ())
    if isinstance(given, str):
        return [given]
    return [each if isinstance(each, str) else " ".join(map(str, each)) for each in given]


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """What the vendor knows of a text, without its model's quirks."""
    vector = [0.01] * dimensions
    for word in WORDS.findall(text.lower()):
        vector[crc32(word.encode()) % dimensions] += 1
    return vector


def vectors(body: Body) -> list[list[float]]:
    model = body["model"]
    named = re.search(r"-(\d+)d\b", model)
    dimensions = int(named[1]) if named else DIMENSIONS
    if "-fixed" not in model:
        dimensions = body.get("dimensions", dimensions)
    found = [vector_of(text, dimensions) for text in texts(body)]
    if "-nan" in model:
        found[-1][0] = nan
    if "-zero" in model:
        found[-1] = [0.0] * dimensions
    if "-ragged" in model:
        found[-1].pop()
    if "-fewer" in model:
        found.pop()
    return found + found[:1] if "-more" in model else found


def whole(answered: object, answer: Answer) -> Script:
    """In as many pieces as the answer has chunks, so that a fault after k of them means the same as in chat."""
    content = json.dumps(answered, ensure_ascii=False).encode()
    count = max(1, len(answer.chunks))
    size = len(content) // count + 1
    pieces = tuple(content[size * piece : size * (piece + 1)] for piece in range(count))
    return Script(JSON, b"", pieces, (b"",)) if answer.chunks else Script(JSON, b"", (), pieces)


def _numbers(vector: Sequence[float]) -> list[float | None]:
    return [None if number != number else number for number in vector]


def _packed(vector: Sequence[float]) -> str:
    return b64encode(array("f", vector).tobytes()).decode()
