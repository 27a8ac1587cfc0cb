"""The models for summaries and titles, and how long conversations are kept: what is malformed refuses to start."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.config import Settings


def test_without_them_nothing_is_summed_up_named_or_deleted() -> None:
    settings = Settings(_env_file=None)
    assert (settings.summary_model, settings.title_model, settings.conversation_days) == (None, None, 0)


@pytest.mark.parametrize("name", ["summary_model", "title_model", "conversation_days"])
def test_an_empty_one_is_not_set(name: str, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"{name.upper()}=\n")
    assert not getattr(Settings(_env_file=file), name)


@pytest.mark.parametrize("name", ["openai/gpt-4.1-mini", "ollama/library/qwen3:0.6b", "anthropic/claude-haiku-4-5"])
def test_a_model_is_named_with_its_provider(name: str) -> None:
    assert Settings(_env_file=None, summary_model=name, title_model=name).title_model == name


@pytest.mark.parametrize("name", ["gpt-4.1-mini", "/x", "openai/", "open ai/x", "openai/a\nb", "openai/" + "x" * 200])
def test_what_is_no_such_name_is_refused(name: str) -> None:
    for setting in ("summary_model", "title_model"):
        with pytest.raises(ValidationError, match=setting):
            Settings(_env_file=None, **{setting: name})  # type: ignore[arg-type]  # each value is validated


@pytest.mark.parametrize("days", [-1, "x", 1.5, 40_000])
def test_days_are_a_whole_number_of_them(days: object) -> None:
    with pytest.raises(ValidationError, match="conversation_days"):
        Settings(_env_file=None, conversation_days=days)
