"""`eventsource` and `@microsoft/fetch-event-source` at our own chat streams."""

import pytest

from tests.backend import User
from tests.chat.conftest import Service
from tests.clients.node import Told, cases

COUNTED = "".join(f"{n} " for n in range(1, 201))


@pytest.fixture(scope="module")
async def asker(service: Service) -> User:
    return await service.backend.user("asker")


@pytest.fixture(scope="module")
async def told(service: Service, asker: User) -> Told:
    return await cases("event_streams.mjs", url=service.backend.url, token=asker.token)


def test_event_source_hears_all_of_an_answer_and_stays_away_when_it_has_ended(told: Told) -> None:
    heard = told("listens")
    assert (heard["text"], heard["status"]) == ("You said: Hello 😀", "complete")
    assert heard["names"][0] == "start"
    generation_id, _, last = heard["ids"][-1].partition(":")
    assert heard["ids"] == [f"{generation_id}:{seq}" for seq in range(1, int(last) + 1)]
    assert heard["errors"] == [None, 204]


def test_event_source_goes_on_where_its_line_broke(told: Told) -> None:
    heard = told("listens on")
    assert (heard["text"], heard["status"]) == (COUNTED, "complete")
    assert len(set(heard["ids"])) == len(heard["ids"])
    first, second, third = heard["sent"]
    assert first is None
    assert (second in heard["ids"], third) == (True, heard["ids"][-1])


def test_event_source_may_come_with_a_ticket(told: Told) -> None:
    assert told("listens with a ticket")["text"] == "You said: Hello"


def test_event_source_is_told_no_only_once(told: Told) -> None:
    assert (told("is refused")["errors"], told("is refused")["text"]) == ([422], "")


def test_a_post_is_read_whole(told: Told) -> None:
    heard = told("posts")
    assert (heard["text"], heard["status"], heard["id"]) == ("You said: Hello 😀", "complete", "")
    assert heard["names"][0] == "start"


def test_a_post_that_is_sent_again_with_its_key_is_the_same_answer(told: Told) -> None:
    heard = told("posts again")
    assert (heard["text"], heard["status"]) == (COUNTED, "complete")
    assert len(heard["starts"]) == 2
    assert len(set(heard["starts"])) == 1


def test_a_post_that_is_refused_says_why(told: Told) -> None:
    assert told("posts in vain") == [[422, "unknown_model"]]


async def test_nothing_was_asked_twice(told: Told, asker: User) -> None:
    assert len((await asker.http.get("/conversations")).json()["items"]) == 5
