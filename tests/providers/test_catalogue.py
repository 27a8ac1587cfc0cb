"""What a model's name means, and how often a vendor is asked for its list."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence

import pytest

from app.core.errors import UnknownModel
from app.domain.cards import Input, ModelCard
from app.domain.events import ProviderEvent
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import ModelRequest
from app.domain.providers import Provider
from app.providers import shipped
from app.providers.catalogue import Catalogue
from app.providers.offline import OfflineProvider
from tests.providers.clock import Clock


class Shelf:
    """A provider with these models; None fails, and a slow one never answers."""

    def __init__(self, provider_id: str, listed: Sequence[str | ModelCard] | None = (), *, slow: bool = False) -> None:
        self.id = provider_id
        self.listed = listed
        self.slow = slow
        self.calls = 0
        self.closed = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        for _ in request.messages:
            yield []

    def check(self, request: ModelRequest) -> None:
        """It does whatever it is asked."""

    async def models(self) -> Sequence[ModelCard]:
        self.calls += 1
        await asyncio.sleep(3600 if self.slow else 0.01)
        if self.listed is None:
            raise GenerationFailure(FailureCode.UPSTREAM_ERROR, "away", retryable=True)
        return [ModelCard(self.id, each) if isinstance(each, str) else each for each in self.listed]

    async def aclose(self) -> None:
        self.closed = True


def catalogue(
    *shelves: Shelf, default: str | None = None, clock: Clock | None = None, fetch_seconds: float = 5
) -> Catalogue:
    providers: dict[str, Provider] = {**{shelf.id: shelf for shelf in shelves}, "offline": OfflineProvider()}
    return Catalogue(providers, default, clock=clock or Clock(), fetch_seconds=fetch_seconds)


async def test_the_exact_form_reaches_any_model_without_asking() -> None:
    shelf = Shelf("openai")
    card = await catalogue(shelf).resolve("openai/ft:gpt-4o:me/x")
    assert (card.name, shelf.calls) == ("openai/ft:gpt-4o:me/x", 0)


async def test_the_exact_form_carries_the_shipped_facts() -> None:
    card = await catalogue(Shelf("openai")).resolve("openai/gpt-5")
    assert (card.context_window, card.max_output_tokens, card.takes_temperature) == (400_000, 128_000, False)


async def test_a_bare_id_is_found_in_the_shipped_table_without_asking() -> None:
    shelf = Shelf("deepseek")
    assert (await catalogue(Shelf("openai"), shelf).resolve("deepseek-flash")).provider == "deepseek"
    assert shelf.calls == 0


async def test_a_bare_id_with_a_slash_is_found_in_the_lists() -> None:
    card = await catalogue(Shelf("openai", ["meta/llama"])).resolve("meta/llama")
    assert card.name == "openai/meta/llama"


async def test_the_first_provider_in_the_fixed_order_wins() -> None:
    shelves = (Shelf("deepseek", ["both"]), Shelf("openai", ["both"]))
    assert (await catalogue(*shelves).resolve("both")).provider == "openai"


@pytest.mark.parametrize(
    "name", ["", "nope", "a/b", "openai/", "x" * 201, "gpt-4o\n", "gpt\x00", "openai/\x1b", "\ud800"]
)
async def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(UnknownModel):
        await catalogue(Shelf("openai")).resolve(name)


async def test_the_default_is_that_of_the_first_provider() -> None:
    assert (await catalogue().resolve(None)).name == "offline/responder"
    assert (await catalogue(Shelf("deepseek")).resolve(None)).name == "deepseek/deepseek-flash"
    assert (await catalogue(Shelf("deepseek"), Shelf("openai")).resolve(None)).provider == "openai"


async def test_the_default_can_be_set() -> None:
    both = (Shelf("openai"), Shelf("deepseek"))
    assert (await catalogue(*both, default="deepseek-v4-pro").resolve(None)).name == "deepseek/deepseek-v4-pro"
    with pytest.raises(UnknownModel, match="DEFAULT_MODEL"):
        await catalogue(*both, default="nope").resolve(None)


def test_every_shipped_default_is_in_the_shipped_table() -> None:
    assert all(shipped.knows(provider, model) for provider, model in shipped.DEFAULTS.items())


async def names(models: Catalogue) -> list[str]:
    return [card.name for card in await models.models()]


async def settled(shelf: Shelf, calls: int) -> None:
    """Until the list was asked for so many times, and the last answer taken in."""
    async with asyncio.timeout(10):
        while shelf.calls < calls:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.03)


async def test_the_list_is_the_vendors_and_each_card_what_the_vendor_says() -> None:
    said = ModelCard("openai", "gpt-4o", context_window=7, inputs=frozenset({Input.TEXT}))
    cards = await catalogue(Shelf("openai", [said, "new"])).models()
    assert [card.name for card in cards] == ["openai/gpt-4o", "openai/new", "offline/responder"]
    assert cards[0] == said


async def test_a_name_means_the_card_of_the_list_once_there_is_one() -> None:
    shelf = Shelf("openai", [ModelCard("openai", "gpt-4o", context_window=7)])
    models = catalogue(shelf, default="gpt-4o")
    assert (await models.resolve("openai/gpt-4o")).context_window == 128_000
    listed, _ = await models.models()
    for name in (None, "gpt-4o", "openai/gpt-4o"):
        assert await models.resolve(name) == listed
    assert shelf.calls == 1


async def test_many_callers_share_one_fetch_and_a_list_is_kept_ten_minutes() -> None:
    shelf, clock = Shelf("openai", ["a"]), Clock()
    models = catalogue(shelf, clock=clock)
    await asyncio.gather(*(models.models() for _ in range(20)))
    clock.now = 599
    await models.models()
    assert shelf.calls == 1
    clock.now = 601
    await asyncio.gather(*(models.models() for _ in range(20)))
    await settled(shelf, 2)
    assert shelf.calls == 2


async def test_a_list_that_is_due_is_renewed_behind_those_who_ask() -> None:
    shelf, clock = Shelf("openai", ["old"]), Clock()
    models = catalogue(shelf, clock=clock, fetch_seconds=3600)
    await models.models()
    clock.now, shelf.listed, shelf.slow = 601, ["new"], True
    async with asyncio.timeout(10):
        assert await names(models) == ["openai/old", "offline/responder"]
    await models.aclose()


async def test_a_vendor_that_fails_is_asked_again_after_a_minute_and_the_table_stands_in() -> None:
    shelf, clock = Shelf("openai", None), Clock()
    models = catalogue(shelf, clock=clock)
    assert "openai/gpt-4o" in await names(models)
    clock.now = 59
    await models.models()
    assert shelf.calls == 1
    clock.now, shelf.listed = 61, ["a"]
    assert "openai/gpt-4o" in await names(models)
    await settled(shelf, 2)
    assert await names(models) == ["openai/a", "offline/responder"]


async def test_a_list_that_came_once_outlives_a_failure() -> None:
    shelf, clock = Shelf("openai", ["a"]), Clock()
    models = catalogue(shelf, clock=clock)
    await models.models()
    clock.now, shelf.listed = 601, None
    await models.models()
    await settled(shelf, 2)
    assert await names(models) == ["openai/a", "offline/responder"]


async def test_vendors_are_asked_together() -> None:
    shelves = [Shelf(provider, slow=True) for provider in ("openai", "deepseek", "anthropic")]
    models = catalogue(*shelves, fetch_seconds=3600)
    asking = asyncio.create_task(names(models))
    for shelf in shelves:
        await settled(shelf, 1)
    await models.aclose()
    assert "openai/gpt-4o" in await asking


async def test_vendors_that_are_away_hold_up_the_first_list_only() -> None:
    shelves, clock = [Shelf("openai", None), Shelf("deepseek", None)], Clock()
    models = catalogue(*shelves, clock=clock, fetch_seconds=3600)
    await models.models()
    clock.now = 61
    for shelf in shelves:
        shelf.slow = True
    async with asyncio.timeout(10):
        assert "openai/gpt-4o" in await names(models)
    await models.aclose()


async def test_a_name_that_nobody_has_is_not_looked_for_without_end() -> None:
    models = catalogue(Shelf("openai", slow=True), Shelf("ollama", slow=True), fetch_seconds=0.05)
    async with asyncio.timeout(10):
        with pytest.raises(UnknownModel):
            await models.resolve("nope")
    await models.aclose()


async def test_a_name_that_no_list_has_is_looked_for_in_a_new_one_each_minute() -> None:
    shelf, clock = Shelf("openai", ["a"]), Clock()
    models = catalogue(shelf, clock=clock)
    for _ in range(3):
        with pytest.raises(UnknownModel):
            await models.resolve("b")
    assert shelf.calls == 1
    clock.now, shelf.listed = 61, ["a", "b"]
    assert (await models.resolve("b")).name == "openai/b"


async def test_a_caller_who_leaves_does_not_take_the_list_from_the_others() -> None:
    shelf = Shelf("openai", ["a"])
    models = catalogue(shelf)
    first = asyncio.create_task(models.models())
    second = asyncio.create_task(models.models())
    await asyncio.sleep(0)
    first.cancel()
    assert [card.id for card in await second] == ["a", "responder"]
    assert shelf.calls == 1


async def test_what_nobody_expected_of_a_list_is_logged_and_the_table_stands_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = Shelf("openai", [7])  # type: ignore[list-item]  # a fault of our own
    with caplog.at_level(logging.ERROR):
        assert "openai/gpt-4o" in await names(catalogue(broken))
    assert [record.message for record in caplog.records] == ["an errand failed"]


# A server of one's own: nobody but itself knows its models


async def test_the_default_of_a_local_server_is_the_first_of_its_list() -> None:
    assert (await catalogue(Shelf("ollama", ["qwen3:8b", "llama3.2"])).resolve(None)).name == "ollama/qwen3:8b"
    for without in (Shelf("ollama"), Shelf("ollama", None)):
        assert (await catalogue(without).resolve(None)).name == "offline/responder"
    assert (await catalogue(Shelf("ollama", ["a"]), Shelf("deepseek")).resolve(None)).provider == "deepseek"


@pytest.mark.parametrize("name", ["llama3.2", "llama3.2:latest", "ollama/llama3.2", "ollama/llama3.2:latest"])
async def test_a_tag_of_latest_may_be_left_out(name: str) -> None:
    listed = ModelCard("ollama", "llama3.2", context_window=4096)
    models = catalogue(Shelf("openai", ["x"]), Shelf("ollama", [listed]))
    assert await models.resolve(name) == listed


async def test_names_may_hold_slashes_and_colons() -> None:
    models = catalogue(Shelf("ollama", ["hf.co/me/model:Q4"]))
    for name in ("hf.co/me/model:Q4", "ollama/hf.co/me/model:Q4"):
        assert (await models.resolve(name)).name == "ollama/hf.co/me/model:Q4"
    for name in ("hf.co/me/model", "hf.co/me/model:Q5", "model:Q4"):
        with pytest.raises(UnknownModel):
            await models.resolve(name)


async def test_the_exact_name_of_a_local_model_is_looked_up_in_a_list_of_seconds_ago() -> None:
    shelf, clock = Shelf("ollama", ["a"]), Clock()
    models = catalogue(shelf, clock=clock)
    assert (await models.resolve("ollama/pulled")).context_window is None
    clock.now, shelf.listed = 3, ["a", ModelCard("ollama", "pulled", context_window=4096)]
    assert (await models.resolve("ollama/pulled")).context_window == 4096
    assert shelf.calls == 2


async def test_a_local_server_that_was_away_is_asked_again_within_seconds() -> None:
    shelf, clock = Shelf("ollama", None), Clock()
    models = catalogue(shelf, clock=clock)
    assert (await models.resolve(None)).name == "offline/responder"
    clock.now, shelf.listed = 3, ["a"]
    await models.resolve(None)
    await settled(shelf, 2)
    assert (await models.resolve(None)).name == "ollama/a"


async def test_closing_closes_every_provider() -> None:
    shelves = [Shelf("openai"), Shelf("deepseek")]
    models = catalogue(*shelves)
    await models.aclose()
    assert all(shelf.closed for shelf in shelves)


async def test_closing_ends_a_fetch_that_is_under_way() -> None:
    shelf = Shelf("openai", slow=True)
    models = catalogue(shelf)
    asking = asyncio.create_task(names(models))
    await asyncio.sleep(0.01)
    await models.aclose()
    assert "openai/gpt-4o" in await asking
    assert shelf.closed


async def test_a_card_leads_to_its_provider() -> None:
    shelf = Shelf("openai")
    models = catalogue(shelf)
    assert models.provider(await models.resolve("gpt-4o")) is shelf


@pytest.mark.parametrize(
    "name", ["text-embedding-3-small", "whisper-1", "tts-1", "gpt-image-2", "gpt-realtime", "sora-2"]
)
def test_what_is_no_chat_model_is_told_apart(name: str) -> None:
    assert not shipped.is_chat_model(name)


def test_every_shipped_model_of_openai_is_a_chat_model() -> None:
    assert all(shipped.is_chat_model(card.id) for card in shipped.cards("openai"))


@pytest.mark.parametrize(
    ("name", "takes"),
    [("gpt-4o", True), ("gpt-5", False), ("gpt-6.1-sol", False), ("o3", False), ("openai/o3", False), ("omni", True)],
)
def test_reasoning_models_take_no_temperature(name: str, takes: bool) -> None:
    assert shipped.card("openai", name).takes_temperature is takes
