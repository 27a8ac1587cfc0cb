"""What is learnt of the models of an Ollama server, and how often it is asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgspec
import pytest

from app.domain.cards import Input, ModelCard
from app.domain.failures import GenerationFailure
from app.domain.prompts import Effort, ModelMessage, ModelRequest
from app.providers.ollama.adapter import OllamaProvider
from tests.providers.loopback import Loopback, Reply, page
from tests.upstream import Page, Refuse, Upstream

TEXT = frozenset({Input.TEXT})


@pytest.fixture
async def provider(upstream: Upstream) -> AsyncIterator[OllamaProvider]:
    provider = OllamaProvider(base_url=upstream.url, context_tokens=8192, connect_timeout=5)
    yield provider
    await provider.aclose()


def asked(upstream: Upstream, path: str) -> int:
    return sum(request.path == path for request in upstream.requests)


async def test_a_list_is_the_servers_with_what_it_says_of_each(upstream: Upstream, provider: OllamaProvider) -> None:
    upstream.models = ("llama3.2", "llama3.2:1b-ctx-2048", "hf.co/me/vision:Q4", "reasoning", "nomic-embed-text")
    assert await provider.models() == [
        ModelCard("ollama", "llama3.2", context_window=8192),
        ModelCard("ollama", "llama3.2:1b-ctx-2048", context_window=2048),
        ModelCard("ollama", "hf.co/me/vision:Q4", context_window=8192, inputs=TEXT | {Input.IMAGE}),
        ModelCard("ollama", "reasoning", context_window=8192, reasons=True),
    ]


async def test_a_server_that_says_nothing_of_capabilities_is_not_asked_for_much(
    upstream: Upstream, provider: OllamaProvider
) -> None:
    upstream.models = ("old-reasoning-vision", "old-embed")
    assert await provider.models() == [ModelCard("ollama", "old-reasoning-vision", context_window=8192)]


async def test_each_model_is_looked_at_once(upstream: Upstream, provider: OllamaProvider) -> None:
    upstream.models = ("a", "b")
    first = await provider.models()
    assert await provider.models() == first
    upstream.models = ("a", "c")
    await provider.models()
    assert (asked(upstream, "/api/tags"), asked(upstream, "/api/show")) == (3, 3)
    assert [r.body for r in upstream.requests if r.path == "/api/show"] == [
        {"model": f"{name}:latest"} for name in ("a", "b", "c")
    ]


async def test_at_most_sixty_four_are_looked_at_for_one_list(upstream: Upstream, provider: OllamaProvider) -> None:
    upstream.models = tuple(f"m{n}-ctx-2048" for n in range(70))
    cards = await provider.models()
    assert asked(upstream, "/api/show") == 64
    assert [card.context_window for card in cards] == [2048] * 64 + [8192] * 6
    assert {card.context_window for card in await provider.models()} == {2048}


@pytest.mark.parametrize(
    ("model", "think"), [("reasoning", True), ("gpt-oss:20b", "high"), ("echo", None), ("me/gpt-oss", "high")]
)
async def test_a_model_is_made_to_think_in_its_own_words(
    upstream: Upstream, provider: OllamaProvider, model: str, think: Any
) -> None:
    upstream.models = (model,)
    [card] = await provider.models()
    request = ModelRequest(card, [ModelMessage("user", "hi")], None, 64, None, Effort.HIGH)
    async for _ in provider.stream(request):
        pass
    assert upstream.calls[0].body.get("think") == think


@pytest.mark.parametrize("answer", [Refuse(500), Page(), Page(b'{"models":7}', content_type="application/json")])
async def test_a_list_that_is_none_is_a_failure(
    upstream: Upstream, provider: OllamaProvider, answer: Refuse | Page
) -> None:
    upstream.models = answer
    with pytest.raises(GenerationFailure):
        await provider.models()


class Server:
    """Answers by path, as its routes say; counts how many requests it has at once."""

    def __init__(self, routes: Mapping[str, Callable[[], Reply]]) -> None:
        self._routes = routes
        self.at_once = self.most_at_once = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), b"0"
                )
                await reader.readexactly(int(length.rpartition(b" ")[2]))
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                await asyncio.sleep(0.005)
                await self._routes[head.split(b" ")[1].decode()]()(writer)
                self.at_once -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def listed(routes: Mapping[str, Callable[[], Reply]]) -> tuple[list[ModelCard], Server]:
    served = Server(routes)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    provider = OllamaProvider(base_url=url, context_tokens=8192, connect_timeout=5)
    try:
        return list(await provider.models()), served
    finally:
        await provider.aclose()
        server.close()


def json_page(value: object, status: int = 200) -> Callable[[], Reply]:
    return lambda: page(status, msgspec.json.encode(value))


async def test_models_are_looked_at_four_at_a_time() -> None:
    tags = json_page({"models": [{"name": f"m{n}"} for n in range(20)]})
    cards, served = await listed({"/api/tags": tags, "/api/show": json_page({})})
    assert (len(cards), served.most_at_once) == (20, 4)


@pytest.mark.parametrize(
    "shown",
    [
        ({"error": "boom"}, 500),
        ({"capabilities": 7}, 200),
        ({"model_info": {"general.architecture": "llama"}}, 200),
        ({"model_info": {"general.architecture": 7, "llama.context_length": 9}}, 200),
        ({"model_info": {"general.architecture": "llama", "llama.context_length": "long"}}, 200),
        ({"capabilities": [], "thinking": {"values": []}}, 200),
        ([], 200),
    ],
)
async def test_a_model_of_which_nothing_is_learnt_is_listed_all_the_same(shown: tuple[object, int]) -> None:
    tags = json_page({"models": [{"name": "m:latest", "digest": "d", "details": None}]})
    cards, _ = await listed({"/api/tags": tags, "/api/show": json_page(*shown)})
    assert cards == [ModelCard("ollama", "m", context_window=8192)]


async def test_a_model_in_the_cloud_has_its_whole_context() -> None:
    tags = json_page({"models": [{"name": "gpt-oss:120b-cloud", "digest": "d", "remote_host": "https://ollama.com"}]})
    info = {"general.architecture": "gptoss", "gptoss.context_length": 131_072}
    [card], _ = await listed({"/api/tags": tags, "/api/show": json_page({"model_info": info})})
    assert card.context_window == 131_072


async def test_what_can_do_anything_but_chat_is_not_listed() -> None:
    tags = json_page({"models": [{"name": "flux"}]})
    cards, _ = await listed({"/api/tags": tags, "/api/show": json_page({"capabilities": ["image"]})})
    assert cards == []


async def test_a_server_without_models_has_none(vendor: Loopback) -> None:
    provider = OllamaProvider(base_url=vendor.url, context_tokens=8192, connect_timeout=5)
    vendor.replies = [page(200, b'{"models":null}')]
    assert await provider.models() == []
    await provider.aclose()
