"""What is known of models, whatever their servers call them."""

import pytest

from app.domain.scripts import Script
from app.providers.embedders.known import Traits, traits_of
from app.providers.embedders.naming import slug

EVERYTHING = [
    "text-embedding-3-small",
    "text-embedding-3-large",
    "text-embedding-ada-002",
    "bge-m3",
    "BAAI/bge-m3",
    "bge-m3:567m-fp16",
    "intfloat/multilingual-e5-large",
    "intfloat/multilingual-e5-large-instruct",
    "nomic-ai/nomic-embed-text-v2-moe",
    "snowflake-arctic-embed2",
    "snowflake-arctic-embed2:568m",
    "Snowflake/snowflake-arctic-embed-l-v2.0",
    "jina-embeddings-v3",
    "qwen3-embedding",
    "Qwen/Qwen3-Embedding-0.6B",
    "qwen3-embedding:8b-q4_K_M",
    "embeddinggemma",
    "google/embeddinggemma-300m",
    "ibm-granite/granite-embedding-311m-multilingual-r2",
]
LATIN = [
    "bge-small-en-v1.5",
    "BAAI/bge-large-en-v1.5",
    "bge-large",
    "intfloat/e5-base-v2",
    "nomic-embed-text",
    "nomic-embed-text:latest",
    "nomic-ai/nomic-embed-text-v1.5-Q",
    "mxbai-embed-large",
    "mixedbread-ai/mxbai-embed-large-v1",
    "snowflake-arctic-embed:335m",
    "snowflake/snowflake-arctic-embed-m-long",
    "all-minilm",
    "sentence-transformers/all-MiniLM-L6-v2",
    "granite-embedding",
    "granite-embedding:30m",
    "ibm-granite/granite-embedding-125m-english",
    "ibm-granite/granite-embedding-english-r2",
]


def known(model: str) -> Traits:
    traits = traits_of(model)
    assert traits is not None, model
    return traits


@pytest.mark.parametrize("model", EVERYTHING)
def test_these_know_every_script(model: str) -> None:
    assert known(model).scripts is None


@pytest.mark.parametrize("model", LATIN)
def test_these_know_latin_letters_alone(model: str) -> None:
    assert known(model).scripts == frozenset({Script.LATIN})


def test_others_know_some() -> None:
    assert known("BAAI/bge-base-zh-v1.5").scripts == frozenset({Script.CHINESE})
    five = frozenset({Script.LATIN, Script.CHINESE, Script.JAPANESE, Script.KOREAN, Script.ARABIC})
    for model in ("granite-embedding:278m", "ibm-granite/granite-embedding-107m-multilingual"):
        assert known(model).scripts == five
    fifty = known("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2").scripts or frozenset()
    assert Script.CHINESE in fifty
    assert Script.OTHER not in fifty


@pytest.mark.parametrize(
    ("model", "question", "passage"),
    [
        ("text-embedding-3-small", "", ""),
        ("bge-m3", "", ""),
        ("all-minilm", "", ""),
        ("bge-large-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("bge-small-zh-v1.5", "为这个句子生成表示以用于检索相关文章：", ""),
        ("e5-small-v2", "query: ", "passage: "),
        ("multilingual-e5-base", "query: ", "passage: "),
        ("nomic-embed-text", "search_query: ", "search_document: "),
        ("mxbai-embed-large", "Represent this sentence for searching relevant passages: ", ""),
        ("snowflake-arctic-embed", "Represent this sentence for searching relevant passages: ", ""),
        ("snowflake-arctic-embed2", "query: ", ""),
        ("embeddinggemma", "task: search result | query: ", "title: none | text: "),
    ],
)
def test_each_wants_its_own_before_a_text(model: str, question: str, passage: str) -> None:
    assert (known(model).question, known(model).passage) == (question, passage)


@pytest.mark.parametrize("model", ["", "mine", "bge", "bge-m30", "text-embedding-3-smaller", "my-all-minilm", "e5"])
def test_what_only_looks_like_one_is_unknown(model: str) -> None:
    assert traits_of(model) is None


def test_a_slug_is_another_for_all_that_makes_other_vectors() -> None:
    plain = Traits(None)
    slugs = [
        slug("ollama/bge-m3", plain, None),
        slug("ollama/bge-m3", plain, 512),
        slug("ollama/bge-m3", Traits(None, "query: "), None),
        slug("ollama/bge-m3", Traits(None, "", "query: "), None),
        slug("ollama/bge.m3", plain, None),
        slug("ollama/BGE-m3", plain, None),
        slug("openai/" + "长" * 190, plain, None),
        slug("openai/" + "x" * 190, plain, None),
        slug("openai/" + "x" * 189 + "y", plain, None),
    ]
    assert len(set(slugs)) == len(slugs)
    for each in slugs:
        assert len(each) <= 60
        assert each.replace("-", "").isalnum()
        assert each == each.lower()
        assert each.isascii()


def test_a_slug_stays_the_same_when_only_the_scripts_are_said() -> None:
    assert slug("ollama/mine", Traits(None), None) == slug("ollama/mine", Traits(frozenset({Script.LATIN})), None)
