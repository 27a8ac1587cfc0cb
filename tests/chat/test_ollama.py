"""Chat with an Ollama: one that is configured, and one that is found."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.backend import Backend, User
from tests.conftest import Serve
from tests.upstream import Upstream

ALONE: dict[str, Any] = {"openai_api_key": None, "openai_base_url": None, "default_model": None}


@pytest.fixture
async def ollama() -> AsyncIterator[Upstream]:
    """A server that has not been started yet."""
    server = Upstream(models=("echo", "reasoning", "nomic-embed-text"))
    yield server
    await server.stop()


@pytest.fixture
async def seeking(serve: Serve, ollama: Upstream) -> Backend:
    """An app without a key that looks for an Ollama where that one will be."""
    return await serve(**ALONE, ollama_discovery=True, ollama_host=ollama.url)


async def listed(user: User) -> dict[str, dict[str, Any]]:
    response = await user.http.get("/ai/models")
    assert response.status_code == 200, response.text
    return {item["id"]: item for item in response.json()["items"]}


async def until_listed(user: User, model: str, *, there: bool = True) -> None:
    async with asyncio.timeout(15):
        while (model in await listed(user)) is not there:
            await asyncio.sleep(0.1)


async def test_a_configured_server_answers_with_its_first_model(serve: Serve, ollama: Upstream) -> None:
    await ollama.start()
    alice = await (await serve(**ALONE, ollama_base_url=ollama.url)).user()

    stream = await alice.chat("Hello there", max_tokens=100, temperature=0.5, system_prompt="Be brief.")

    assert stream.start["model"] == "ollama/echo"
    assert stream.text == "You said: Hello there"
    assert stream.done["status"] == "complete"
    [usage] = stream.named("usage")
    assert (usage["input_tokens"], usage["output_tokens"], usage["cost"]) == (2, 4, None)
    assert ollama.calls[0].body["options"] == {"num_ctx": 8192, "num_predict": 100, "temperature": 0.5}
    assert ollama.calls[0].body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello there"},
    ]


async def test_the_list_says_what_the_server_says(serve: Serve, ollama: Upstream) -> None:
    await ollama.start()
    alice = await (await serve(ollama_base_url=ollama.url, ollama_context_tokens=4096)).user()
    models = await listed(alice)
    assert models["ollama/reasoning"] == {
        "id": "ollama/reasoning",
        "model": "reasoning",
        "provider": "ollama",
        "context_window": 4096,
        "max_output_tokens": None,
        "inputs": ["text"],
        "reasons": True,
        "default": False,
    }
    assert [name for name in models if name.startswith("ollama/")] == ["ollama/echo", "ollama/reasoning"]


async def test_what_a_model_thinks_is_kept_apart_and_shown_to_it_again(serve: Serve, ollama: Upstream) -> None:
    await ollama.start()
    alice = await (await serve(**ALONE, ollama_base_url=ollama.url)).user()

    first = await alice.chat("Why?", model="reasoning:latest", reasoning_effort="low")
    await alice.chat("Really?", conversation_id=first.start["conversation_id"])

    assert first.text == "The answer is 42."
    assert "".join(each["text"] for each in first.named("reasoning")) == "Let me think."
    assert [call.body.get("think") for call in ollama.calls] == [True, None]
    assert ollama.calls[1].body["messages"][1] == {
        "role": "assistant",
        "content": "The answer is 42.",
        "thinking": "Let me think.",
    }


async def test_an_ollama_that_starts_later_answers_the_next_message(seeking: Backend, ollama: Upstream) -> None:
    alice = await seeking.user()
    first = await alice.chat("Hello")
    assert first.start["model"] == "offline/responder"

    await ollama.start()
    await until_listed(alice, "ollama/echo")
    second = await alice.chat("And now?", conversation_id=first.start["conversation_id"])

    assert (second.start["model"], second.text) == ("ollama/echo", "You said: And now?")
    assert (await listed(alice))["ollama/echo"]["default"]


async def test_without_an_ollama_that_has_stopped_the_offline_responder_answers(
    seeking: Backend, ollama: Upstream
) -> None:
    await ollama.start()
    alice = await seeking.user()
    first = await alice.chat("Hello")
    assert first.start["model"] == "ollama/echo"

    await ollama.stop()
    await until_listed(alice, "ollama/echo", there=False)
    second = await alice.chat("Still there?", conversation_id=first.start["conversation_id"])

    assert (second.start["model"], second.done["status"]) == ("offline/responder", "complete")


async def test_a_configured_server_that_goes_away_fails_the_run_and_nothing_hangs(
    serve: Serve, ollama: Upstream
) -> None:
    await ollama.start()
    alice = await (await serve(**ALONE, ollama_base_url=ollama.url)).user()
    await alice.chat("Hello")
    await ollama.stop()
    stream = await alice.chat("Still there?")
    assert (stream.start["model"], stream.done["status"]) == ("ollama/echo", "failed")
    assert (stream.failure["code"], stream.failure["retryable"]) == ("upstream_error", True)


async def test_a_model_of_an_ollama_that_nobody_has_is_unknown(seeking: Backend) -> None:
    alice = await seeking.user()
    refused = await alice.http.post("/ai/chat", json={"message": "Hello", "model": "ollama/echo"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_model")


async def test_a_model_that_the_server_does_not_have_fails_the_run(serve: Serve, ollama: Upstream) -> None:
    await ollama.start()
    alice = await (await serve(**ALONE, ollama_base_url=ollama.url)).user()
    stream = await alice.chat("Hello", model="ollama/missing")
    assert stream.done["status"] == "failed"
    assert (stream.failure["code"], stream.failure["retryable"]) == ("upstream_error", False)
