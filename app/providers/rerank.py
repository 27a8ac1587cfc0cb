"""`/rerank`, as Jina, Cohere, vLLM, Infinity and TEI have it: passages in the order in which they answer a question."""

import logging
import time
from collections.abc import Callable, Sequence
from math import isfinite

import msgspec

from app.core.config import Settings
from app.domain.embedding import Reranker
from app.domain.failures import GenerationFailure
from app.providers import verdicts
from app.providers.embedders.decoding import decoded
from app.providers.embedders.endpoint import Endpoint
from app.providers.embedders.texts import prepared
from app.providers.transport import Refused

logger = logging.getLogger(__name__)

_MOST_PASSAGES = 100
_MOST_CHARS = 4000
"""Of a passage and of a question; models read 512 tokens, and some a few thousand."""
_REST = 5.0
"""Seconds without it after a failure, so that not every search waits for it, nor every search is a line in the log."""


class _Score(msgspec.Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None


class _Answer(msgspec.Struct):
    results: list[_Score] | None = None
    data: list[_Score] | None = None


_DECODER: msgspec.json.Decoder[list[_Score] | _Answer] = msgspec.json.Decoder(list[_Score] | _Answer)


def configured_reranker(settings: Settings, failed: Callable[[str], None]) -> Reranker | None:
    """None without RERANK_URL. `failed` is told the reason, a stable word, whenever a search goes on without."""
    if settings.rerank_url is None:
        return None
    url = settings.rerank_url.rstrip("/")
    url = url if url.endswith("rerank") else f"{url}/rerank"
    key = settings.rerank_api_key.get_secret_value().strip() if settings.rerank_api_key else None
    patience = settings.rerank_timeout
    endpoint = Endpoint(url, key, connect_timeout=settings.connect_timeout, patience=patience)
    return ServerReranker(endpoint, settings.rerank_model, failed)


class ServerReranker:
    """A Reranker. Without a model it asks in TEI's own form, which has no place for one. `clock` counts seconds."""

    def __init__(
        self,
        endpoint: Endpoint,
        model: str | None,
        failed: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._failed = failed
        self._clock = clock
        self._resting_until = float("-inf")

    @property
    def name(self) -> str:
        return self._model or "rerank"

    async def order(self, question: str, passages: Sequence[str]) -> Sequence[int]:
        everything = range(len(passages))
        looked_at = everything[:_MOST_PASSAGES]
        if len(looked_at) < 2:
            return everything
        if self._clock() < self._resting_until:
            self._failed("resting")
            return everything
        try:
            scores = await self._scores(question, passages[:_MOST_PASSAGES])
        except GenerationFailure as failure:
            self._missed(failure)
            return everything
        return [*sorted(looked_at, key=lambda each: -scores[each]), *everything[_MOST_PASSAGES:]]

    async def aclose(self) -> None:
        await self._endpoint.aclose()

    async def _scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """One a passage. Raises GenerationFailure."""
        texts = [prepared(each[:_MOST_CHARS], "") for each in passages]
        asked: dict[str, object] = {"query": prepared(question[:_MOST_CHARS], "")}
        asked |= (
            {"texts": texts, "truncate": True}
            if self._model is None
            else {
                "model": self._model,
                "documents": texts,
            }
        )
        try:
            content = await self._endpoint.post(asked)
        except Refused as refused:
            raise verdicts.of_status(refused.response.status_code).failure() from refused
        return _by_place(await decoded(content, _DECODER), len(texts))

    def _missed(self, failure: GenerationFailure) -> None:
        self._resting_until = self._clock() + _REST
        self._failed(failure.code.value)
        logger.warning("passages are not reranked: %s", failure.code.value)


def _by_place(answer: list[_Score] | _Answer, count: int) -> Sequence[float]:
    results = answer if isinstance(answer, list) else answer.results or answer.data or []
    scores = {each.index: _value(each) for each in results}
    if len(results) != count or sorted(scores) != list(range(count)) or not all(map(isfinite, scores.values())):
        raise verdicts.PROTOCOL.failure()
    return [scores[place] for place in range(count)]


def _value(score: _Score) -> float:
    """NaN where there is none."""
    found = score.relevance_score if score.relevance_score is not None else score.score
    return float("nan") if found is None else found
