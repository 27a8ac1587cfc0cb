"""The lists of models, as the clients of each protocol ask for them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from tests.chat.conftest import serving
from tests.doors.conftest import Service
from tests.upstream import Upstream

INDEX = "ollama/bge-m3:latest"


@pytest.fixture(scope="module")
async def service(
    every_vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    every_vendor.models = ("gpt", "vision:7b-ctx-4096", "reasoning", "nomic-embed-text")
    folder = tmp_path_factory.mktemp("lists")
    async with serving(every_vendor, sqlite_template, folder, embedding_model=INDEX) as service:
        yield service


@pytest.fixture(scope="module")
async def names(service: Service) -> list[str]:
    """All, as our own list has them, and what makes vectors."""
    listed = (await service.alice.http.get("/ai/models")).json()["items"]
    return [*(each["id"] for each in listed), "ollama/bge-m3", "ollama/nomic-embed-text"]


@pytest.fixture(scope="module")
async def of_openai(service: Service) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{service.backend.url}/v1", api_key=service.alice.token, max_retries=0
    ) as client:
        yield client


@pytest.fixture(scope="module")
async def of_anthropic(service: Service) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=service.backend.url, auth_token=service.alice.token, api_key=None, max_retries=0
    ) as client:
        yield client


@pytest.fixture(scope="module")
async def of_ollama(service: Service) -> AsyncIterator[ollama.AsyncClient]:
    headers = {"Authorization": f"Bearer {service.alice.token}"}
    async with ollama.AsyncClient(f"{service.backend.url}/ollama", headers=headers) as client:
        yield client


async def test_openais_client_lists_all_by_their_exact_names(of_openai: openai.AsyncOpenAI, names: list[str]) -> None:
    listed = [each async for each in of_openai.models.list()]
    assert sorted(each.id for each in listed) == sorted(names)
    assert {each.object for each in listed} == {"model"}
    assert all(each.owned_by == each.id.partition("/")[0] for each in listed)
    assert len({each.id for each in listed}) == len(listed)


async def test_anthropics_client_reads_the_same_list_page_by_page(
    of_anthropic: anthropic.AsyncAnthropic, names: list[str]
) -> None:
    whole = await of_anthropic.models.list()
    assert sorted(each.id for each in whole.data) == sorted(names)
    assert (whole.has_more, whole.first_id, whole.last_id) == (False, whole.data[0].id, whole.data[-1].id)
    paged = [each.id async for each in of_anthropic.models.list(limit=2)]
    assert paged == [each.id for each in whole.data]
    last = whole.data[-1]
    backwards = [each.id async for each in of_anthropic.models.list(limit=2, before_id=last.id)]
    assert sorted(backwards) == sorted(paged[:-1])
    assert (last.type, last.display_name, last.created_at.year) == ("model", last.id.partition("/")[2], 1970)


@pytest.mark.parametrize(
    "name", ["openai/gpt", "ollama/vision:7b-ctx-4096", "ollama/bge-m3", "ollama/nomic-embed-text"]
)
async def test_one_model_is_looked_at(
    of_openai: openai.AsyncOpenAI, of_anthropic: anthropic.AsyncAnthropic, name: str
) -> None:
    assert (await of_openai.models.retrieve(name)).id == name
    assert (await of_anthropic.models.retrieve(name)).id == name


@pytest.mark.parametrize(
    ("name", "meant"), [("claude-sonnet-4-6", "anthropic/claude-sonnet-4-6"), ("bge-m3", "ollama/bge-m3")]
)
async def test_a_bare_id_is_found(of_openai: openai.AsyncOpenAI, name: str, meant: str) -> None:
    assert (await of_openai.models.retrieve(name)).id == meant


async def test_an_unknown_model_is_not_found_in_each_clients_words(
    of_openai: openai.AsyncOpenAI, of_anthropic: anthropic.AsyncAnthropic, of_ollama: ollama.AsyncClient
) -> None:
    with pytest.raises(openai.NotFoundError) as of_the_first:
        await of_openai.models.retrieve("nobody-has-this")
    assert of_the_first.value.code == "model_not_found"
    with pytest.raises(anthropic.NotFoundError) as of_the_second:
        await of_anthropic.models.retrieve("nobody-has-this")
    assert of_the_second.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]
    with pytest.raises(ollama.ResponseError) as of_the_third:
        await of_ollama.show("nobody-has-this")
    assert (of_the_third.value.status_code, of_the_third.value.error) == (404, "model 'nobody-has-this' not found")


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "after_id=nobody", "before_id=nobody"])
async def test_what_is_no_place_in_the_list_is_refused(service: Service, query: str) -> None:
    response = await service.alice.http.get(f"/v1/models?{query}")
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (
        400,
        "invalid_request_error",
        query.partition("=")[0],
    )


async def test_a_key_sees_the_models_that_it_may_use(service: Service, of_openai: openai.AsyncOpenAI) -> None:
    made = await service.alice.http.post("/users/me/api-keys", json={"name": "k", "scopes": ["models:ollama/*"]})
    theirs = of_openai.with_options(api_key=made.json()["key"])
    listed = [each.id async for each in theirs.models.list()]
    assert listed
    assert all(each.startswith("ollama/") for each in listed)
    with pytest.raises(openai.NotFoundError):
        await theirs.models.retrieve("openai/gpt")


async def test_ollamas_client_lists_an_ollamas_models_as_that_names_them(
    of_ollama: ollama.AsyncClient, names: list[str]
) -> None:
    listed = (await of_ollama.list()).models
    called = [each.model for each in listed]
    assert len(called) == len(names)
    assert {"gpt:latest", "vision:7b-ctx-4096", "bge-m3:latest", "nomic-embed-text:latest", "openai/gpt"} <= set(called)
    assert all(each.digest and each.details and each.size == 0 for each in listed)


@pytest.mark.parametrize(
    ("name", "capabilities", "context"),
    [
        ("reasoning:latest", ["completion", "tools", "thinking"], 8192),
        ("vision:7b-ctx-4096", ["completion", "vision", "tools"], 4096),
        ("ollama/gpt", ["completion", "tools"], 8192),
        ("nomic-embed-text", ["embedding"], 32768),
        ("bge-m3:latest", ["embedding"], None),
        ("anthropic/claude-sonnet-4-6:latest", ["completion", "vision", "tools", "thinking"], 1_000_000),
    ],
)
async def test_ollamas_client_learns_what_a_model_can_do(
    of_ollama: ollama.AsyncClient, name: str, capabilities: list[str], context: int | None
) -> None:
    shown = await of_ollama.show(name)
    assert shown.capabilities == capabilities
    assert shown.modelinfo is not None
    assert next((value for key, value in shown.modelinfo.items() if key.endswith(".context_length")), None) == context


async def test_older_clients_ask_by_name_and_nobody_for_nothing(service: Service) -> None:
    by_name = await service.alice.http.post("/ollama/api/show", json={"name": "openai/gpt"})
    assert by_name.status_code == 200
    nothing = await service.alice.http.post("/ollama/api/show", json={})
    assert (nothing.status_code, nothing.json()) == (400, {"error": "model is required"})


async def test_an_ollama_is_there(service: Service, of_ollama: ollama.AsyncClient) -> None:
    http = service.alice.http
    for path in ("/ollama", "/ollama/"):
        response = await http.get(path)
        assert (response.text, response.headers["content-type"]) == ("Ollama is running", "text/plain; charset=utf-8")
        assert (await http.head(path)).status_code == 200
    version: Any = (await http.get("/ollama/api/version")).json()["version"]
    assert [int(part) for part in version.split(".")] > [0, 6, 4]
    assert (await of_ollama.ps()).models == []


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/a/b", "/ollama", "/ollama/", "/ollama/api/tags", "/ollama/api/version"]
)
async def test_strangers_learn_nothing(service: Service, path: str) -> None:
    async with httpx.AsyncClient(base_url=service.backend.url, trust_env=False) as nobody:
        assert (await nobody.get(path)).status_code == 401
