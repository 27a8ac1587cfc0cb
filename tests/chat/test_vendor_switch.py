"""A conversation may go from vendor to vendor: each is told all that was said, and nobody what another one thought."""

import json
from typing import Any

import pytest

from tests.chat.conftest import Service
from tests.providers.asked import Asked, by_anthropic, by_ollama, by_openai
from tests.upstream import Answer, Reasoning, Record, Upstream
from tests.upstream.dialects.anthropic import SIGNATURE

CLAUDE = "anthropic/claude-sonnet-5-5"
READ = {"openai": by_openai, "deepseek": by_openai, "anthropic": by_anthropic, "ollama": by_ollama}
# Where a conversation goes, turn by turn.
WAYS = {
    "there-and-back": ("openai/a", CLAUDE, "ollama/b", "openai/a"),
    "and-back-again": (CLAUDE, "ollama/b", CLAUDE, "openai/a", "deepseek/c", CLAUDE),
    "within-a-vendor": (CLAUDE, "anthropic/claude-opus-5-5", "ollama/b", "ollama/c", "deepseek/a", "openai/a"),
}


def asked(call: Record, model: str) -> Asked:
    return READ[model.partition("/")[0]](call.body)


def thinking(turn: int) -> Answer:
    """What a model thinks is named after its turn."""
    return Answer((Reasoning(f"THOUGHT-{turn}", f"SEAL-{turn}"), Reasoning(redacted=f"HIDDEN-{turn}"), f"A{turn}"))


@pytest.mark.parametrize("models", WAYS.values(), ids=WAYS)
async def test_history_goes_along_and_thoughts_stay_with_who_had_them(
    patient: Service, vendor: Upstream, models: tuple[str, ...]
) -> None:
    vendor.script([thinking(turn) for turn in range(len(models))])
    conversation: dict[str, Any] = {}
    said: list[tuple[str, str]] = []

    for turn, model in enumerate(models):
        stream = await patient.alice.chat(f"Q{turn}", model=model, **conversation)
        conversation = {"conversation_id": stream.start["conversation_id"]}
        assert (stream.start["model"], stream.text) == (model, f"A{turn}")

        said.append(("user", f"Q{turn}"))
        call = vendor.calls[turn]
        assert call.model == model.partition("/")[2]
        assert asked(call, model).turns == said
        said.append(("assistant", f"A{turn}"))

        told = json.dumps(call.body)
        foreign = [earlier for earlier in range(turn) if models[earlier] != model]
        assert [word for word in ("THOUGHT", "SEAL", "HIDDEN") for turn in foreign if f"{word}-{turn}" in told] == []


async def test_claude_is_given_back_its_own_thoughts_after_another_has_spoken(
    patient: Service, vendor: Upstream
) -> None:
    vendor.script([Answer((Reasoning("Hm."), "A0")), Answer((Reasoning("Well."), "A1")), Answer(("A2",))])
    first = await patient.alice.chat("Q0", model=CLAUDE)
    conversation = {"conversation_id": first.start["conversation_id"]}
    await patient.alice.chat("Q1", model="ollama/b", **conversation)
    await patient.alice.chat("Q2", model=CLAUDE, **conversation)

    assert [message["content"] for message in vendor.calls[2].body["messages"]] == [
        "Q0",
        [{"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE}, {"type": "text", "text": "A0"}],
        "Q1",
        "A1",
        [{"type": "text", "text": "Q2", "cache_control": {"type": "ephemeral"}}],
    ]


async def test_the_system_prompt_goes_along_too(patient: Service, vendor: Upstream) -> None:
    models = ("openai/a", CLAUDE, "ollama/b", "deepseek/c")
    conversation: dict[str, Any] = {"system_prompt": "Be brief."}
    for turn, model in enumerate(models):
        stream = await patient.alice.chat(f"Q{turn}", model=model, **conversation)
        conversation = {"conversation_id": stream.start["conversation_id"]}
    assert [asked(call, model).system for call, model in zip(vendor.calls, models, strict=True)] == ["Be brief."] * 4
