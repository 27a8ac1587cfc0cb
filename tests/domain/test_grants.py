"""What an API key's scopes allow."""

import time

import pytest

from app.domain.identity import Grants, Scope

CHAT, FILES, RAG, ADMIN = Scope.CHAT, Scope.FILES, Scope.RAG, Scope.ADMIN


@pytest.mark.parametrize(
    ("named", "scopes"),
    [
        (None, {CHAT, FILES, RAG}),
        (["chat"], {CHAT}),
        (["files", "rag"], {FILES, RAG}),
        (["admin"], {ADMIN}),
        (["models:gpt-*"], {CHAT}),
        (["files", "models:gpt-*"], {CHAT, FILES}),
    ],
    ids=lambda each: ",".join(sorted(each or ("none",))),
)
def test_a_key_is_good_for_what_its_scopes_name(named: list[str] | None, scopes: set[Scope]) -> None:
    assert Grants.of_key(named).scopes == scopes


@pytest.mark.parametrize("named", ["", "Chat", "chat ", "models", "everything", "*"])
def test_an_unknown_scope_is_good_for_nothing(named: str) -> None:
    assert Grants.of_key([named]).scopes == frozenset()
    assert Grants.of_key([named, "rag"]).scopes == {RAG}


@pytest.mark.parametrize(
    ("pattern", "model", "fits"),
    [
        ("openai/*", "openai/gpt-5", True),
        ("openai/*", "anthropic/claude", False),
        ("openai/*", "ollama/openai/gpt-5", False),
        ("*/openai/*", "ollama/openai/gpt-5", True),
        ("gpt-*", "openai/gpt-5", True),
        ("gpt-*", "deepseek/gpt-5", True),
        ("gpt-5", "openai/gpt-5", True),
        ("gpt-5", "openai/gpt-5-mini", False),
        ("gpt-?", "openai/gpt-5", True),
        ("gpt-?", "openai/gpt-55", False),
        ("GPT-5", "openai/gpt-5", False),
        ("*", "openai/gpt-5", True),
        ("ollama/hf.co/*", "ollama/hf.co/user/model:Q4", True),
        ("gpt-[45]", "openai/gpt-5", False),
        ("gpt-[45]", "openai/gpt-[45]", True),
        ("[!a]*", "openai/gpt-5", False),
        ("[!a]*", "openai/[!a]pt", True),
        ("gpt-]", "openai/gpt-]", True),
        ("模型-*", "ollama/模型-甲", True),
        (r"a\*", r"openai/a\b", True),
        ("gpt.5", "openai/gpt-5", False),
    ],
)
def test_a_pattern_is_matched_with_the_full_and_the_bare_name(pattern: str, model: str, fits: bool) -> None:
    assert Grants.of_key([f"models:{pattern}"]).model(model) is fits


def test_of_several_patterns_one_has_to_fit() -> None:
    grants = Grants.of_key(["chat", "models:gpt-*", "models:anthropic/*"])
    fits = [grants.model(name) for name in ("openai/gpt-5", "anthropic/claude", "deepseek/chat")]
    assert fits == [True, True, False]


def test_without_patterns_every_model_fits() -> None:
    assert all(Grants.of_key(named).model("openai/gpt-5") for named in (None, ["chat"], ["files"]))


def test_no_pattern_takes_long() -> None:
    grants = Grants.of_key([f"models:{'*a' * 100}b"])
    began = time.thread_time()
    assert not grants.model("openai/" + "a" * 200)
    assert time.thread_time() - began < 1
