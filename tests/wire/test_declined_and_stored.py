"""A conversation of ours keeps a declined answer as one that failed; at a door it is an answer that was declined."""

from typing import Any

import pytest

from app.domain.events import Kind
from tests.wire.hand_made import Told, ended, streamed, whole

REFUSED: dict[str, Any] = {"code": "refused", "detail": "The provider declined to answer this.", "retryable": False}
SAID: Told = [(Kind.START, {}), (Kind.TEXT, "Sure, ")]
USED: tuple[Kind, Any] = (Kind.USAGE, {"input_tokens": 9, "output_tokens": 3, "cost": None})
DECLINED: Told = [*SAID, USED, (Kind.FAILURE, REFUSED), ended("refused", status="failed")]
UP_FRONT: Told = [(Kind.START, {}), (Kind.FAILURE, REFUSED), (Kind.DONE, {"done": True, "status": "failed"})]


def test_each_doors_stream_ends_with_its_own_word_for_it() -> None:
    assert streamed("chat", DECLINED)[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert streamed("messages", DECLINED)[-2]["delta"]["stop_reason"] == "refusal"
    last = streamed("responses", DECLINED)[-1]
    assert (last["type"], last["response"]["incomplete_details"]) == (
        "response.incomplete",
        {"reason": "content_filter"},
    )
    assert last["response"]["usage"]["output_tokens"] == 3


def test_the_whole_says_the_same() -> None:
    assert whole("chat", DECLINED)["choices"][0]["finish_reason"] == "content_filter"
    assert whole("messages", DECLINED)["stop_reason"] == "refusal"
    assert whole("responses", DECLINED) == streamed("responses", DECLINED)[-1]["response"]


@pytest.mark.parametrize("door", ["chat", "messages", "responses"])
def test_a_question_that_was_refused_up_front_has_no_answer(door: str) -> None:
    last = streamed(door, UP_FRONT)[-1]
    assert REFUSED["detail"] in str(last.get("error") or last["response"]["error"])
