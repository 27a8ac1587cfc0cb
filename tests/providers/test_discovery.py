"""A server that nobody configured is there while it answers, and looking for it costs nobody much."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from app.core.errors import UnknownModel
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import ModelMessage, ModelRequest
from app.providers.catalogue import Catalogue
from app.providers.discovery import Discovered
from app.providers.offline import OfflineProvider
from app.providers.ollama.adapter import OllamaProvider
from app.providers.openai.adapter import OpenAIProvider
from tests.ports import free_port
from tests.providers.clock import Clock
from tests.providers.loopback import Loopback, page
from tests.upstream import Page, Refuse, Silence, Upstream

OFFLINE = "offline/responder"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    """An Ollama that has not been started yet."""
    server = Upstream(port=free_port(), models=("llama3.2", "qwen3:8b", "nomic-embed-text"))
    yield server
    await server.stop()


def found(url: str, clock: Clock) -> Discovered:
    provider = OllamaProvider(base_url=url, context_tokens=8192, connect_timeout=5)
    return Discovered(provider, clock=clock, probe_seconds=1.0)


@pytest.fixture
async def models(server: Upstream, clock: Clock) -> AsyncIterator[Catalogue]:
    catalogue = Catalogue({"ollama": found(server.url, clock), "offline": OfflineProvider()}, None, clock=clock)
    yield catalogue
    await catalogue.aclose()


async def default(models: Catalogue) -> str:
    return (await models.resolve(None)).name


async def names(models: Catalogue) -> list[str]:
    return [card.name for card in await models.models()]


def probes(server: Upstream) -> int:
    return sum(request.path == "/api/version" for request in server.requests)


async def test_while_nobody_answers_there_is_no_such_provider(models: Catalogue) -> None:
    assert await default(models) == OFFLINE
    assert await names(models) == [OFFLINE]
    for name in ("ollama/llama3.2", "llama3.2"):
        with pytest.raises(UnknownModel):
            await models.resolve(name)


async def test_a_server_that_starts_later_is_found(models: Catalogue, server: Upstream, clock: Clock) -> None:
    await default(models)
    await server.start()
    clock.now += 3
    assert await default(models) == "ollama/llama3.2"
    assert await names(models) == ["ollama/llama3.2", "ollama/qwen3:8b", OFFLINE]


async def test_a_server_that_stops_is_gone(models: Catalogue, server: Upstream, clock: Clock) -> None:
    await server.start()
    assert await default(models) == "ollama/llama3.2"
    await server.stop()
    clock.now += 3
    assert await default(models) == OFFLINE
    assert await names(models) == [OFFLINE]
    with pytest.raises(UnknownModel):
        await models.resolve("ollama/llama3.2")


async def test_another_server_in_its_place_has_its_own_models(
    models: Catalogue, server: Upstream, clock: Clock
) -> None:
    await server.start()
    await names(models)
    await server.stop()
    clock.now += 3
    await names(models)
    server.models = ("gemma3",)
    await server.start()
    clock.now += 3
    assert await names(models) == ["ollama/gemma3", OFFLINE]


async def test_it_is_looked_for_each_three_seconds_at_most(models: Catalogue, server: Upstream, clock: Clock) -> None:
    await server.start()
    for _ in range(5):
        await asyncio.gather(*(default(models) for _ in range(5)))
    assert probes(server) == 1
    clock.now += 2.9
    await default(models)
    assert probes(server) == 1
    clock.now += 0.1
    await default(models)
    assert probes(server) == 2


async def test_nobody_looks_for_it_whose_model_is_elsewhere(server: Upstream, clock: Clock, vendor: Loopback) -> None:
    await server.start()
    openai = OpenAIProvider("openai", api_key=SecretStr("k"), base_url=vendor.url, connect_timeout=5)
    vendor.replies = [page(200, b'{"data":[{"id":"my-model"}]}')]
    models = Catalogue({"openai": openai, "ollama": found(server.url, clock)}, None, clock=clock)
    await models.models()
    before = probes(server)
    clock.now += 1_000
    for name in (None, "openai/x", "gpt-4o", "my-model"):
        assert (await models.resolve(name)).provider == "openai"
    assert probes(server) == before
    await models.aclose()


@pytest.mark.parametrize(
    "answer", [Page(), Refuse(404), Refuse(401), Silence(), Page(b"{}", content_type="text/plain")]
)
async def test_something_else_that_listens_there_is_no_ollama(
    models: Catalogue, server: Upstream, answer: Page | Refuse | Silence
) -> None:
    server.models = answer
    await server.start()
    async with asyncio.timeout(15):
        assert await default(models) == OFFLINE
        assert await names(models) == [OFFLINE]


async def test_a_port_where_nobody_ever_speaks_is_waited_for_once_in_a_while(clock: Clock) -> None:
    heard: list[asyncio.StreamWriter] = []
    mute = await asyncio.start_server(lambda _, writer: heard.append(writer), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{mute.sockets[0].getsockname()[1]}"
    models = Catalogue({"ollama": found(url, clock), "offline": OfflineProvider()}, None, clock=clock)
    async with asyncio.timeout(15):
        for _ in range(10):
            assert await default(models) == OFFLINE
    assert len(heard) == 1
    await models.aclose()
    for writer in heard:
        writer.close()
    mute.close()


async def test_a_server_that_is_late_once_is_not_lost(models: Catalogue, server: Upstream, clock: Clock) -> None:
    await server.start()
    known = server.models
    assert await default(models) == "ollama/llama3.2"
    for answer, expected in [
        (Silence(), "ollama/llama3.2"),
        (known, "ollama/llama3.2"),
        (Silence(), "ollama/llama3.2"),
    ]:
        server.models, clock.now = answer, clock.now + 3
        assert await default(models) == expected
    clock.now += 3
    assert await default(models) == OFFLINE


async def test_a_server_that_goes_before_it_is_asked_fails_the_run(models: Catalogue, server: Upstream) -> None:
    await server.start()
    card = await models.resolve(None)
    await server.stop()
    request = ModelRequest(card, [ModelMessage("user", "hi")], None, 64, None)
    with pytest.raises(GenerationFailure) as failure:
        async for _ in models.provider(card).stream(request):
            pass
    assert (failure.value.code, failure.value.transient) == (FailureCode.UPSTREAM_ERROR, True)


async def test_a_caller_who_leaves_does_not_end_the_look(models: Catalogue, server: Upstream) -> None:
    await server.start()
    first, second = asyncio.create_task(default(models)), asyncio.create_task(default(models))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "ollama/llama3.2"
    assert probes(server) == 1


async def test_closing_ends_a_look_that_is_under_way(server: Upstream, clock: Clock) -> None:
    server.models = Silence()
    await server.start()
    models = Catalogue({"ollama": found(server.url, clock)}, None, clock=clock)
    looking = asyncio.create_task(names(models))
    await server.wait_for(lambda: probes(server) == 1)
    await models.aclose()
    assert await looking == []
