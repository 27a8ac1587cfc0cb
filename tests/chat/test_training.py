"""Rated answers as lines to train a model with."""

import asyncio

import pytest

from tests.accounts.signing import is_problem
from tests.backend import Backend, User
from tests.chat.conversation_files import (
    Document,
    answer,
    bring,
    brought,
    carried,
    chain,
    document,
    parsed_lines,
    question,
)

RATED = "/conversations/export"
GOOD, BAD = {"rating": 1}, {"rating": -1}


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def lines(user: User, **query: str) -> list[Document]:
    told = await user.http.get(RATED, params={"format": "jsonl", **query}, timeout=60)
    assert told.status_code == 200, told.text
    assert told.headers["content-type"] == "application/jsonl"
    assert "attachment" in told.headers["content-disposition"]
    return parsed_lines(told.text)


def said(*turns: tuple[str, str, int], system: str | None = None) -> Document:
    """An example of such questions, answers and weights."""
    messages: list[Document] = [] if system is None else [{"role": "system", "content": system}]
    for asked, answered, weight in turns:
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": answered, "weight": weight})
    return {"messages": messages}


def tree() -> Document:
    return document(
        question("q1", "One?"),
        answer("a1", "q1", "1", feedback=GOOD),
        answer("a1b", "q1", "eins", feedback=BAD),
        question("q2", "Two?", "a1"),
        answer("a2", "q2", "2"),
        question("q3", "三?", "a2"),
        answer("a3", "q3", "3 🎉", feedback=GOOD),
        question("q4", "Four?", "a3"),
        answer("a4", "q4", "4", feedback=BAD),
        question("q2b", "Zwei?", "a1"),
        answer("a2b", "q2b", "zwei", feedback={"rating": 1, "comment": "gut"}),
    )


async def test_a_line_is_a_path_to_a_rated_answer_that_goes_no_further(alice: User, database_kind: str) -> None:
    made = await brought(alice, tree())
    good = [
        said(("One?", "1", 1), ("Two?", "2", 0), ("三?", "3 🎉", 1)),
        said(("One?", "1", 1), ("Zwei?", "zwei", 1)),
    ]
    bad = [
        said(("One?", "eins", 1)),
        said(("One?", "1", 0), ("Two?", "2", 0), ("三?", "3 🎉", 0), ("Four?", "4", 1)),
    ]
    assert await lines(alice) == await lines(alice, rating="1") == good
    assert await lines(alice, rating="-1") == bad
    for rating, wanted in (("1", good), ("-1", bad)):
        assert parsed_lines((await carried(alice, made, format="jsonl", rating=rating)).text) == wanted


async def test_what_failed_or_is_empty_is_left_out_with_its_question(alice: User) -> None:
    error = {"code": "refused", "detail": "No.", "retryable": False}
    await brought(
        alice,
        document(
            question("q1", "Fails?"),
            answer("a1", "q1", "half", status="failed", error=error, feedback=GOOD),
            question("q2", "Empty?", "a1"),
            answer("a2", "q2", "", status="stopped", feedback=GOOD),
            question("q3", "Unanswered?", "a2"),
            question("q4", "Stopped?", "q3"),
            answer("a4", "q4", "Well", status="stopped", feedback=GOOD),
            question("q5", "Fails again?", "a4"),
            answer("a5", "q5", "x", status="failed", feedback=GOOD),
            system_prompt="Be brief.",
        ),
    )
    assert await lines(alice) == [said(("Stopped?", "Well", 1), system="Be brief.")]


async def test_the_oldest_come_first_and_only_ones_own(backend: Backend, alice: User, database_kind: str) -> None:
    bob = await backend.user("bob")
    for number in range(5):
        rated = answer("2", "1", f"answer {number}", feedback=GOOD)
        await brought(alice, document(question("1", "Why?"), rated))
    await brought(alice, document(*chain(1)))
    await brought(bob, document(question("1", "Bob's"), answer("2", "1", "secret", feedback=GOOD)))
    assert await lines(alice) == [said(("Why?", f"answer {number}", 1)) for number in range(5)]
    assert await lines(bob) == [said(("Bob's", "secret", 1))]
    assert await lines(alice, rating="-1") == []


async def test_a_line_has_two_thousand_messages_at_most(alice: User, database_kind: str) -> None:
    told = chain(1500)
    told[-1]["feedback"] = GOOD
    await brought(alice, document(*told))
    [line] = await lines(alice)
    assert len(line["messages"]) == 2000
    assert line["messages"][0] == {"role": "user", "content": "said 500"}
    assert line["messages"][-1] == {"role": "assistant", "content": "said 1499 too", "weight": 1}


async def test_many_rated_answers_beside_each_other_are_lines_each(alice: User) -> None:
    beside = [answer(f"a{number}", "q", f"answer {number}", feedback=GOOD) for number in range(300)]
    await brought(alice, document(question("q", "Why?"), *beside))
    assert await lines(alice) == [said(("Why?", f"answer {number}", 1)) for number in range(300)]


@pytest.mark.parametrize("query", [{"format": "json"}, {"rating": "0"}, {"rating": "2"}, {"rating": "x"}], ids=str)
async def test_nothing_else_is_taken(alice: User, query: dict[str, str]) -> None:
    refused = await alice.http.get(RATED, params={"format": "jsonl", **query})
    assert is_problem(refused, 422, "validation_error")


async def test_export_and_import_are_no_ids(alice: User) -> None:
    assert is_problem(await alice.http.patch("/conversations/export", json={"title": "x"}), 404, "not_found")
    assert is_problem(await alice.http.delete("/conversations/import"), 404, "not_found")


async def test_a_few_at_a_time(alice: User) -> None:
    await bring(alice, tree())
    told = await asyncio.gather(*(lines(alice) for _ in range(4)))
    assert all(each == told[0] for each in told)
