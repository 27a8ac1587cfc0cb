"""`/api/embed` of an Ollama server, which cuts by itself what is too long for a model."""

from collections.abc import Sequence

import msgspec

from app.providers.embedders.decoding import decoded
from app.providers.embedders.endpoint import Endpoint
from app.providers.embedders.refusals import refusal
from app.providers.embedders.source import Kind, Reply
from app.providers.transport import Refused

_AT_ONCE = 16
"""It works on one text after the other, and on a small machine that takes seconds."""


class _Answer(msgspec.Struct):
    embeddings: list[list[float]]
    prompt_eval_count: int | None = None


_DECODER = msgspec.json.Decoder(_Answer)


class OllamaSource:
    at_once = _AT_ONCE

    def __init__(self, endpoint: Endpoint, model: str, dimensions: int | None) -> None:
        self._endpoint = endpoint
        self._fields: dict[str, object] = {"model": model, "truncate": True}
        if dimensions is not None:
            self._fields["dimensions"] = dimensions

    async def ask(self, texts: Sequence[str], kind: Kind) -> Reply:
        try:
            content = await self._endpoint.post({**self._fields, "input": texts})
        except Refused as refused:
            raise refusal(refused) from refused
        answer = await decoded(content, _DECODER)
        return Reply(answer.embeddings, answer.prompt_eval_count)

    async def aclose(self) -> None:
        await self._endpoint.aclose()
