"""What of a conversation a model is shown, and where it is cut when that is too much."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest

from app.domain.cards import ModelCard
from app.domain.chat import Author, Said
from app.domain.compactions import Compaction
from app.domain.prompts import Reasoning
from app.domain.tokens import estimate
from app.services.context import cost, exchanges, prompt, room
from app.services.cutting import Cut, cut_of
from app.services.memory import Memory, choose
from app.services.wording import labelled

_numbers = count(1)
MODEL = "openai/gpt-4o"


def said(role: Author, content: str) -> Said:
    number = next(_numbers)
    return Said(str(number), role, content, branch_id="1", position=number)


def user(content: str) -> Said:
    return said(Author.USER, content)


def model(content: str) -> Said:
    return said(Author.ASSISTANT, content)


def room_for(
    message: str = "now", *, window: int | None, max_tokens: int = 100, system_prompt: str | None = None
) -> int:
    card = ModelCard("openai", "gpt-4o", window)
    return room(card, system_prompt=system_prompt, max_tokens=max_tokens) - cost(message)


def spelled(before: str | None, cut: Cut | None, history: list[Said], message: str) -> list[str]:
    kept = cut.kept if cut else exchanges(history, MODEL)
    return [f"{each.role[0]}:{each.text}" for each in prompt(before, kept, message, MODEL)]


def fitted(
    *history: Said,
    message: str = "now",
    system_prompt: str | None = None,
    window: int | None = 100_000,
    max_tokens: int = 100,
) -> list[str]:
    """Who says what, in short, when nothing was cut before."""
    tokens = room_for(message, window=window, max_tokens=max_tokens, system_prompt=system_prompt)
    cut = None if choose(Memory(said=history), MODEL, tokens) else cut_of(history, MODEL, tokens)
    return spelled(None, cut, [*history], message)


def compaction(last: Said, tokens: int, summary: str | None = "They met.") -> Compaction:
    return Compaction(
        id="c",
        conversation_id="1",
        message_id=last.id,
        branch_id=last.branch_id,
        position=last.position,
        tokens=tokens,
        summary=summary,
        model=None,
        created_at=datetime.now(UTC),
    )


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


def test_a_generous_bound_on_the_answer_leaves_half_the_window_to_the_conversation() -> None:
    assert room_for(window=8000, max_tokens=1_000_000) == room_for(window=8000, max_tokens=4000)
    assert fitted(*TURNS, window=8000, max_tokens=1_000_000)[0] == "u:Q1"


def test_a_window_that_nobody_knows_is_taken_to_hold_32000_tokens() -> None:
    assert room_for(window=None) == room_for(window=32_000)


def test_a_cut_leaves_half_the_room_free() -> None:
    turns = [each for _ in range(40) for each in (user(LONG), model("A"))]
    shown = fitted(*turns, window=32_000)
    assert 15 <= shown.count(f"u:{LONG}") <= 16


@pytest.mark.parametrize(("newest", "stays"), [(0.6, True), (0.9, False)])
def test_the_newest_turn_stays_if_it_leaves_room_for_a_summary(newest: float, stays: bool) -> None:
    long = "x" * int(4000 * newest)
    cut = cut_of([user(LONG), model("A1"), user(long)], MODEL, tokens=1000)
    assert bool(cut.kept) is stays
    assert cut.last.content == ("A1" if stays else long)


def test_a_cut_lies_behind_all_that_it_leaves_out() -> None:
    history = [user(LONG), model("A1"), model(""), user("Q2"), model("A2")]
    cut = cut_of(history, MODEL, tokens=600)
    assert cut.last == history[2]
    assert cut.kept[0].said == history[3:]


def test_questions_without_an_answer_between_them_become_one() -> None:
    assert fitted(user("Q1"), model(""), user("Q2"), model("A2")) == ["u:Q1\n\nQ2", "a:A2", "u:now"]


def test_what_was_written_of_an_answer_is_shown() -> None:
    assert fitted(user("Q1"), model("Half")) == ["u:Q1", "a:Half", "u:now"]


def test_a_chinese_character_counts_as_a_token() -> None:
    assert estimate("汉" * 1000) >= 1000
    assert fitted(user("汉" * 1000), model("A1"), window=1000) == ["u:now"]


def test_thoughts_take_room_for_the_model_that_had_them() -> None:
    thoughtful = replace(model("A1"), model=MODEL, reasoning=[Reasoning(LONG)])
    (exchange,) = exchanges([user("Q1"), thoughtful], MODEL)
    (elsewhere,) = exchanges([user("Q1"), thoughtful], "openai/other")
    assert exchange.tokens - elsewhere.tokens == cost(LONG)


# With a summary


def test_a_summary_begins_the_first_message() -> None:
    memory = Memory(said=TURNS[2:], compactions=[compaction(TURNS[1], 30_000)], start=TURNS[1].position)
    choice = choose(memory, MODEL, tokens=200)
    assert choice is not None
    shown = [message.text for message in prompt(choice.before, choice.said, "now", MODEL)]
    assert shown == [f"{labelled('They met.')}\n\nQ2", "A2", "now"]


def test_the_earliest_that_fits_is_shown() -> None:
    history = [user(LONG), model("A1"), user(LONG), model("A2"), user("Q3"), model("A3")]
    memory = Memory(said=history, compactions=[compaction(history[1], 1020), compaction(history[3], 2040)])
    shown = [choose(memory, MODEL, tokens) for tokens in (3000, 2000, 500)]
    assert [len(each.said) for each in shown if each] == [3, 2, 1]
    assert [each.before for each in shown if each] == [None, labelled("They met."), labelled("They met.")]


def test_what_was_not_read_is_not_taken_for_nothing() -> None:
    """Only the newest is at hand: neither the root nor the first cut can be where a prompt begins."""
    history = [user("Q1"), model("A1"), user("Q2"), model("A2"), user("Q3"), model("A3")]
    cuts = [compaction(history[1], 1000), compaction(history[3], 2000)]
    memory = Memory(said=history[3:], compactions=cuts, start=0, whole=False)
    choice = choose(memory, MODEL, tokens=10_000)
    assert choice is not None
    assert [each.said[0].content for each in choice.said] == ["Q3"]
    assert choose(replace(memory, said=history[4:]), MODEL, tokens=10_000) is None


def test_a_summary_that_is_too_long_for_a_small_model_is_left_out() -> None:
    memory = Memory(said=TURNS, compactions=[compaction(TURNS[1], 1000, LONG)], start=TURNS[1].position)
    choice = choose(memory, MODEL, tokens=100)
    assert choice is not None
    assert (choice.before, len(choice.said)) == (None, 1)


def test_a_cut_between_a_question_and_its_answer_is_passed_over() -> None:
    """It was made on another path, on which another question followed."""
    history = [user("Q1"), model("A1"), user("Q2"), model("A2")]
    cuts = [compaction(history[1], 1000, "Before."), compaction(history[2], 1010)]
    choice = choose(Memory(said=history[2:], compactions=cuts, start=history[1].position), MODEL, tokens=200)
    assert choice is not None
    assert (choice.before, len(choice.said)) == (labelled("Before."), 1)
    assert choose(Memory(said=history[3:], compactions=cuts, start=history[2].position), MODEL, tokens=200) is None
