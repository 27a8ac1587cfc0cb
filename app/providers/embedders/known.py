"""What is known of embedding models: which scripts they know, and what they want before a question and a passage.

From each model's own card. Names are compared without their owner (`BAAI/`), in lower case, up to where a quantisation
or an edition begins (`bge-m3:567m-fp16`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from app.domain.scripts import Script

_LATIN = frozenset({Script.LATIN})
_CHINESE = frozenset({Script.CHINESE})
_ALL = None
"""A hundred languages and more, as XLM-RoBERTa, Gemma and Qwen know them."""
_FIFTY = frozenset(Script) - {Script.OTHER}
"""Of the multilingual paraphrase models: some scripts of India and others are not among their languages."""
_GRANITE = frozenset({Script.LATIN, Script.CHINESE, Script.JAPANESE, Script.KOREAN, Script.ARABIC})

_SEARCHING = "Represent this sentence for searching relevant passages: "
_SEARCHING_IN_CHINESE = "为这个句子生成表示以用于检索相关文章："
_INSTRUCTION = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"


@dataclass(frozen=True, slots=True)
class Traits:
    """`scripts` as of an Embedder. `question` and `passage` are put before a text; the fields, of the same kinds, are
    added to a request in OpenAI's protocol."""

    scripts: frozenset[Script] | None
    question: str = ""
    passage: str = ""
    question_fields: Mapping[str, str] = field(default_factory=dict)
    passage_fields: Mapping[str, str] = field(default_factory=dict)

    def knowing(self, scripts: frozenset[Script]) -> Self:
        """As an operator says that it is."""
        return replace(self, scripts=scripts)


_JINA = Traits(_ALL, question_fields={"task": "retrieval.query"}, passage_fields={"task": "retrieval.passage"})
# The first that fits counts.
_KNOWN = (
    (r"text-embedding-(3-(small|large)|ada-002)", Traits(_ALL)),
    (r"bge-m3", Traits(_ALL)),
    (r"bge-(small|base|large)-zh", Traits(_CHINESE, _SEARCHING_IN_CHINESE)),
    (r"bge-(small|base|large)", Traits(_LATIN, _SEARCHING)),
    (r"multilingual-e5-large-instruct", Traits(_ALL, f"{_INSTRUCTION} ")),
    (r"multilingual-e5-(small|base|large)", Traits(_ALL, "query: ", "passage: ")),
    (r"e5-(small|base|large)", Traits(_LATIN, "query: ", "passage: ")),
    (r"nomic-embed-text-v2", Traits(_ALL, "search_query: ", "search_document: ")),
    (r"nomic-embed-text", Traits(_LATIN, "search_query: ", "search_document: ")),
    (r"mxbai-embed-large", Traits(_LATIN, _SEARCHING)),
    (r"snowflake-arctic-embed2|snowflake-arctic-embed-[lm]-v2", Traits(_ALL, "query: ")),
    (r"snowflake-arctic-embed", Traits(_LATIN, _SEARCHING)),
    (r"all-minilm", Traits(_LATIN)),
    (r"paraphrase-multilingual", Traits(_FIFTY)),
    (r"jina-embeddings-v3", _JINA),
    (r"qwen3-embedding", Traits(_ALL, _INSTRUCTION)),
    (r"embeddinggemma", Traits(_ALL, "task: search result | query: ", "title: none | text: ")),
    (r"granite-embedding-\d+m-multilingual-r2", Traits(_ALL)),
    (r"granite-embedding(:|-)(107m|278m)", Traits(_GRANITE)),
    (r"granite-embedding", Traits(_LATIN)),
)
_TABLE = tuple((re.compile(rf"({pattern})(?![a-z0-9])"), traits) for pattern, traits in _KNOWN)


def traits_of(model: str) -> Traits | None:
    """None for a model that the table does not know."""
    name = model.rpartition("/")[2].lower()
    return next((traits for pattern, traits in _TABLE if pattern.match(name)), None)
