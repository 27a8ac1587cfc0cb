"""What is booked for a generation: the answer once, and beside it what else was asked of models for it."""

from app.database import Database
from app.domain.events import Usage
from app.domain.usage import Attempt, Purpose
from tests.generation.conftest import Post


def attempt(purpose: Purpose, tokens: int, number: int = 1) -> Attempt:
    return Attempt(number, "openai", "echo", Usage(tokens, 1), False, None, "complete", purpose)


async def booked(database: Database, user_id: str) -> list[tuple[str, int]]:
    async with database.snapshot() as tx:
        page = await tx.usage.booked(user_id, limit=100, cursor=None)
    return sorted((each.attempt.purpose.value, each.attempt.usage.input_tokens) for each in page.items)


async def test_an_answer_that_is_booked_again_takes_the_place_of_itself_alone(
    database: Database, post: Post, database_kind: str
) -> None:
    generation = await post()
    for attempts, again in (
        ([attempt(Purpose.SUMMARY, 1), attempt(Purpose.SUMMARY, 2, 2)], False),
        ([attempt(Purpose.ANSWER, 3)], False),
        ([attempt(Purpose.TITLE, 4)], False),
        ([attempt(Purpose.ANSWER, 5), attempt(Purpose.ANSWER, 6, 2)], True),
    ):
        async with database.transaction() as tx:
            tx.usage.book(generation, attempts, again=again)

    assert await booked(database, generation.user_id) == [
        *[("answer", 5), ("answer", 6)],
        *[("summary", 1), ("summary", 2)],
        ("title", 4),
    ]


async def test_what_is_asked_beside_it_is_booked_once_however_often_it_is_told(
    database: Database, post: Post, database_kind: str
) -> None:
    """A commit of which nobody heard is repeated with the answer."""
    generation = await post()
    for attempts in ([attempt(Purpose.SUMMARY, 1)], [attempt(Purpose.SUMMARY, 1), attempt(Purpose.ANSWER, 2)]):
        async with database.transaction() as tx:
            tx.usage.book(generation, attempts, again=False)

    assert await booked(database, generation.user_id) == [("answer", 2), ("summary", 1)]


async def test_an_estimate_gives_way_to_a_run_that_never_asked_for_its_answer(
    database: Database, post: Post, database_kind: str
) -> None:
    generation = await post()
    for attempts, again in (([attempt(Purpose.ANSWER, 9)], False), ([attempt(Purpose.SUMMARY, 1)], True)):
        async with database.transaction() as tx:
            tx.usage.book(generation, attempts, again=again)

    assert await booked(database, generation.user_id) == [("summary", 1)]
