"""The loopback vendor's vectors and rankings, as a client without any help of ours reads them."""

from array import array
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.backend import PLAIN
from tests.upstream import Cut, Refuse, Upstream
from tests.upstream.dialects.vectors import vector_of
from tests.upstream.scenarios import Answer


@pytest.fixture
async def http(upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=upstream.url, trust_env=False, verify=PLAIN) as http:
        yield http


async def posted(http: httpx.AsyncClient, path: str, **body: object) -> Any:
    answer = await http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_openais_vectors_are_numbers_or_packed(http: httpx.AsyncClient) -> None:
    plain = await posted(http, "/v1/embeddings", model="echo", input=["one two", "three"])
    assert [each["index"] for each in plain["data"]] == [0, 1]
    assert plain["data"][0]["embedding"] == vector_of("one two")
    assert plain["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    packed = await posted(http, "/v1/embeddings", model="echo", input="one two", encoding_format="base64")
    numbers = array("f", b64decode(packed["data"][0]["embedding"]))
    assert numbers.tolist() == pytest.approx(vector_of("one two"))


async def test_ollamas_are_lists(http: httpx.AsyncClient) -> None:
    answer = await posted(http, "/api/embed", model="echo-8d", input=["one", "二"])
    assert answer["embeddings"] == [vector_of("one", 8), vector_of("二", 8)]
    assert answer["prompt_eval_count"] == 2


async def test_rankings_have_the_best_first_in_either_form(http: httpx.AsyncClient) -> None:
    passages = ["nothing", "the harbour", "a harbour"]
    ranked = await posted(http, "/v2/rerank", model="echo", query="the harbour", documents=passages)
    assert [(each["index"], each["relevance_score"]) for each in ranked["results"]] == [(1, 1.0), (2, 0.5), (0, 0.0)]
    ranked = await posted(http, "/rerank", query="the harbour", texts=passages)
    assert [(each["index"], each["score"]) for each in ranked] == [(1, 1.0), (2, 0.5), (0, 0.0)]


@pytest.mark.parametrize(
    ("path", "field"), [("/v1/embeddings", "input"), ("/api/embed", "input"), ("/rerank", "query")]
)
async def test_they_break_as_answers_do(http: httpx.AsyncClient, upstream: Upstream, path: str, field: str) -> None:
    upstream.script([Refuse(429), Answer(fault=Cut(1, terminated=False))])
    asked = {"model": "echo", field: "hello", "documents": ["a", "b"]}
    refused = await http.post(path, json=asked)
    assert (refused.status_code, "error" in refused.json()) == (429, True)
    with pytest.raises(httpx.RemoteProtocolError):
        await http.post(path, json=asked)
    assert [call.ended for call in upstream.calls] == ["fault", "fault"]
