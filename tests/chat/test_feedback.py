"""What one thinks of an answer: kept with it, replaced, taken back."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from app.core.errors import NotFound
from app.domain.chat import Feedback
from tests.accounts.signing import is_problem
from tests.backend import Backend, User
from tests.chat.conversation_files import answer, brought, document, question
from tests.chat.reading import posting
from tests.upstream import Answer, Upstream

BAD: Sequence[Any] = (0, 2, -2, True, False, 1.0, "1", None, [], {}, 10**30)


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def talk(user: User, title: str = "标题 🎉") -> tuple[str, str, str]:
    """A conversation, a question, its answer."""
    made = await brought(user, document(question("1"), answer("2", "1"), title=title))
    asked, answered = await user.messages(made)
    return made, asked["id"], answered["id"]


def rating(conversation_id: str, message_id: str) -> str:
    return f"/conversations/{conversation_id}/messages/{message_id}/feedback"


async def test_it_is_told_with_the_answer_replaced_and_taken_back(alice: User, database_kind: str) -> None:
    made, _, answered = await talk(alice)
    path = rating(made, answered)
    for given, kept in [
        ({"rating": 1}, {"rating": 1, "comment": None}),
        ({"rating": -1, "comment": "太短 🎉"}, {"rating": -1, "comment": "太短 🎉"}),
        ({"rating": -1, "comment": ""}, {"rating": -1, "comment": None}),
    ]:
        told = await alice.http.put(path, json=given)
        assert (told.status_code, told.content) == (204, b"")
        assert [each["feedback"] for each in await alice.messages(made)] == [None, kept]
        along = await alice.http.get(f"/conversations/{made}/messages", params={"leaf": answered})
        assert [each["feedback"] for each in along.json()["items"]] == [None, kept]
    for _ in range(2):
        assert (await alice.http.delete(path)).status_code == 204
        assert [each["feedback"] for each in await alice.messages(made)] == [None, None]


async def test_only_answers_are_rated(alice: User) -> None:
    made, asked, _ = await talk(alice)
    assert is_problem(await alice.http.put(rating(made, asked), json={"rating": 1}), 422, "validation_error")
    assert (await alice.http.delete(rating(made, asked))).status_code == 204


async def test_one_that_is_being_written_may_be_rated(alice: User, upstream: Upstream) -> None:
    upstream.script([Answer(("Once ", "upon"), hold=True)])
    async with posting(alice, "Tell me") as reader:
        start = (await reader.event()).json
        path = rating(start["conversation_id"], start["message_id"])
        assert (await alice.http.put(path, json={"rating": 1})).status_code == 204
        await upstream.finish()
        await reader.rest()
    told = (await alice.messages(start["conversation_id"]))[1]
    assert (told["status"], told["feedback"]["rating"]) == ("complete", 1)


@pytest.mark.parametrize(
    "given",
    [
        *({"rating": bad} for bad in BAD),
        {},
        {"comment": "good"},
        {"rating": 1, "comment": "x" * 10_001},
        {"rating": 1, "comment": "a\x00b"},
        {"rating": 1, "comment": 7},
        {"rating": 1, "more": 1},
    ],
    ids=repr,
)
async def test_nothing_else_is_a_rating(alice: User, given: dict[str, Any]) -> None:
    made, _, answered = await talk(alice)
    assert is_problem(await alice.http.put(rating(made, answered), json=given), 422, "validation_error")
    assert [each["feedback"] for each in await alice.messages(made)] == [None, None]


async def test_half_a_surrogate_pair_is_refused(alice: User) -> None:
    made, _, answered = await talk(alice)
    body = b'{"rating": 1, "comment": "\\ud83d"}'
    sent = await alice.http.put(rating(made, answered), content=body, headers={"Content-Type": "application/json"})
    assert is_problem(sent, 422, "validation_error")


async def test_a_long_comment_is_kept(alice: User, database_kind: str) -> None:
    made, _, answered = await talk(alice)
    comment = "好" * 10_000
    assert (await alice.http.put(rating(made, answered), json={"rating": 1, "comment": comment})).status_code == 204
    assert (await alice.messages(made))[1]["feedback"]["comment"] == comment


async def test_what_is_somebody_elses_or_elsewhere_is_unknown(backend: Backend, alice: User) -> None:
    bob = await backend.user("bob")
    made, _, answered = await talk(alice)
    other, _, other_answer = await talk(alice, "Another")
    for user, conversation_id, message_id in ((bob, made, answered), (alice, made, other_answer), (alice, other, "x")):
        path = rating(conversation_id, message_id)
        assert is_problem(await user.http.put(path, json={"rating": 1}), 404, "not_found")
        assert is_problem(await user.http.delete(path), 404, "not_found")
    assert [each["feedback"] for each in await alice.messages(made)] == [None, None]


async def test_many_ratings_at_once_end_in_one(alice: User, database_kind: str) -> None:
    made, _, answered = await talk(alice)
    ratings = [{"rating": 1 if each % 2 else -1, "comment": str(each)} for each in range(20)]
    sent = await asyncio.gather(*(alice.http.put(rating(made, answered), json=each) for each in ratings))
    assert {each.status_code for each in sent} == {204}
    assert (await alice.messages(made))[1]["feedback"] in ratings


async def test_it_goes_with_its_conversation(alice: User, database_kind: str) -> None:
    made, _, answered = await talk(alice)
    assert (await alice.http.put(rating(made, answered), json={"rating": 1})).status_code == 204
    assert (await alice.http.delete(f"/conversations/{made}")).status_code == 204
    assert is_problem(await alice.http.put(rating(made, answered), json={"rating": 1}), 404, "not_found")


async def test_a_message_that_goes_meanwhile_is_unknown(
    backend: Backend, alice: User, database_url: str, database_kind: str
) -> None:
    """As when an account is closed, and cleared message by message."""
    made, _, _ = await talk(alice)
    user_id = (await alice.http.get("/users/me")).json()["id"]
    async with AsyncExitStack() as stack:
        tx = await stack.enter_async_context(backend.house.database.transaction())
        await tx.feedback.put(user_id, made, "gone", Feedback(1, None))
        with pytest.raises(NotFound):
            await stack.aclose()
