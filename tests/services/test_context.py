"""What of a conversation a model is shown."""

from itertools import count

from app.domain.cards import ModelCard
from app.domain.chat import Author, Said
from app.domain.tokens import estimate
from app.services.context import fit

_numbers = count(1)


def said(role: Author, content: str) -> Said:
    return Said(str(next(_numbers)), role, content)


def user(content: str) -> Said:
    return said(Author.USER, content)


def model(content: str) -> Said:
    return said(Author.ASSISTANT, content)


def fitted(
    *history: Said,
    message: str = "now",
    system_prompt: str | None = None,
    window: int | None = 100_000,
    max_tokens: int = 100,
) -> list[str]:
    """Who says what, in short."""
    card = ModelCard("openai", "gpt-4o", window)
    messages = fit(history, message, system_prompt=system_prompt, card=card, max_tokens=max_tokens)
    return [f"{each.role[0]}:{each.text}" for each in messages]


TURNS = [user("Q1"), model("A1"), user("Q2"), model("A2")]
LONG = "x" * 4000
"""A thousand tokens."""


def test_everything_is_shown_oldest_first_while_it_fits() -> None:
    assert fitted(*TURNS) == ["u:Q1", "a:A1", "u:Q2", "a:A2", "u:now"]


def test_a_first_message_stands_alone() -> None:
    assert fitted() == ["u:now"]


def test_the_oldest_turns_go_first_and_whole() -> None:
    history = [user(LONG), model("A1"), user("Q2"), model("A2"), user("Q3"), model("A3")]
    assert fitted(*history, window=1000) == ["u:Q2", "a:A2", "u:Q3", "a:A3", "u:now"]


def test_a_question_goes_with_an_answer_that_is_too_long() -> None:
    assert fitted(user("Q1"), model(LONG), user("Q2"), model("A2"), window=1000) == ["u:Q2", "a:A2", "u:now"]


def test_there_is_no_gap_in_what_is_shown() -> None:
    history = [user("Q1"), model("A1"), user(LONG), model("A2"), user("Q3"), model("A3")]
    assert fitted(*history, window=1000) == ["u:Q3", "a:A3", "u:now"]


def test_the_answer_to_come_and_the_system_prompt_take_room() -> None:
    history = [user(LONG), model("A1")]
    assert len(fitted(*history, window=2000)) == 3
    assert len(fitted(*history, window=2000, max_tokens=1000)) == 1
    assert len(fitted(*history, window=2000, system_prompt=LONG)) == 1
    assert len(fitted(*history, window=2000, message=LONG)) == 1


def test_a_message_beyond_the_window_is_shown_all_the_same() -> None:
    assert fitted(*TURNS, message=LONG, window=500) == [f"u:{LONG}"]


def test_a_generous_bound_on_the_answer_leaves_half_the_window_to_the_conversation() -> None:
    assert fitted(*TURNS, window=8000, max_tokens=1_000_000) == fitted(*TURNS, window=8000, max_tokens=4000)
    assert fitted(*TURNS, window=8000, max_tokens=1_000_000)[0] == "u:Q1"


def test_a_window_that_nobody_knows_is_taken_to_hold_32000_tokens() -> None:
    turns = [each for _ in range(40) for each in (user(LONG), model("A"))]
    shown = fitted(*turns, window=None)
    assert shown == fitted(*turns, window=32_000)
    assert 30 <= shown.count(f"u:{LONG}") <= 31


def test_questions_without_an_answer_between_them_become_one() -> None:
    assert fitted(user("Q1"), model(""), user("Q2"), model("A2")) == ["u:Q1\n\nQ2", "a:A2", "u:now"]


def test_what_was_written_of_an_answer_is_shown() -> None:
    assert fitted(user("Q1"), model("Half")) == ["u:Q1", "a:Half", "u:now"]


def test_a_chinese_character_counts_as_a_token() -> None:
    assert estimate("汉" * 1000) >= 1000
    assert fitted(user("汉" * 1000), model("A1"), window=1000) == ["u:now"]
