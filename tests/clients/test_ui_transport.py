"""The AI SDK's chat and transport, version 6, against this service: what `useChat` is made of."""

import base64
import json

import pytest

from app.domain.events import Kind, LogEvent
from app.wire.ui_messages import UiMessageStream
from tests.chat.conftest import Service
from tests.clients.node import Told, cases
from tests.doors.ui.test_conversation import PNG

SOURCES = {
    "sources": [
        {
            "n": 1,
            "title": "手册.pdf",
            "score": 0.9,
            "page": 3,
            "quote": "“Twelve” days",
            "file_id": "0198a5c0-0000-7000-8000-000000000001",
            "start": 4,
            "end": 9,
            "document_id": "0198a5c0-0000-7000-8000-000000000002",
            "chunk_id": "0198a5c0-0000-7000-8000-000000000003",
        },
        {"n": 2, "title": "Notes", "score": 0.1, "page": 1, "quote": "", "file_id": None},
    ],
    "answerable": True,
    "confidence": 0.87,
    "files": [
        {
            "file_id": "0198a5c0-0000-7000-8000-000000000004",
            "name": "a.bin",
            "used": "unread",
            "reason": "unsupported",
        }
    ],
    "collections": ["0198a5c0-0000-7000-8000-000000000005"],
}
ANSWERED = (
    (Kind.START, b'{"conversation_id": "c", "message_id": "m", "generation_id": "g", "model": "openai/echo"}'),
    (Kind.SOURCES, json.dumps(SOURCES, ensure_ascii=False).encode()),
    (Kind.TEXT, b'"Twelve "'),
    (Kind.TEXT, b'"days [1]."'),
    (Kind.USAGE, b'{"input_tokens": 9, "output_tokens": 3, "cost": "0.0001"}'),
    (Kind.DONE, b'{"done": true, "status": "complete", "message_id": "m"}'),
)


@pytest.fixture(scope="module")
async def told(service: Service) -> Told:
    dialect = UiMessageStream()
    answered = b"".join(dialect.encode(LogEvent(seq, *event)) for seq, event in enumerate(ANSWERED, 1))
    return await cases(
        "ui_transport.mjs",
        url=service.backend.url,
        token=service.alice.token,
        picture=base64.b64encode(PNG).decode(),
        answered=answered.decode(),
    )


FINISHED = {"isAbort": False, "isDisconnect": False, "isError": False, "finishReason": "stop"}
TALK = [["user", "One 😀"], ["assistant", "You said: One 😀"], ["user", "Two"], ["assistant", "You said: Two"]]


def test_a_chat_is_a_conversation(told: Told) -> None:
    talk = told("talk")
    assert talk["shown"] == TALK
    assert talk["stored"] == [[*each, "complete"] for each in TALK]
    assert talk["status"] == "ready"
    assert talk["seen"] == {"errors": [], "finished": [FINISHED, FINISHED]}
    assert talk["parts"] == [["step-start", None], ["text", "done"]]
    metadata = talk["metadata"]
    assert (metadata["model"], metadata["status"]) == ("openai/echo", "complete")
    assert metadata["usage"]["totalTokens"] == metadata["usage"]["inputTokens"] + metadata["usage"]["outputTokens"]


def test_an_answer_is_written_once_more(told: Told) -> None:
    found = told("regenerate")
    assert found["shown"] == [["user", "One"], ["assistant", "You said: One"]]
    assert [content for _, content, _ in found["stored"]] == [
        *("One", "You said: One", "Two", "You said: Two", "You said: Two", "You said: One")
    ]
    assert found["another"]


def test_a_message_is_edited(told: Told) -> None:
    found = told("edit")
    assert found["shown"] == [
        ["user", "One"],
        ["assistant", "You said: One"],
        ["user", "Else"],
        ["assistant", "You said: Else"],
    ]
    assert [content for _, content, _ in found["stored"]][-2:] == ["Else", "You said: Else"]


def test_thoughts_are_a_part_of_their_own(told: Told) -> None:
    assert told("thoughts") == [["step-start", None, False], ["reasoning", "done", True], ["text", "done", True]]


def test_an_answer_that_found_no_room_says_so(told: Told) -> None:
    assert told("length") == [{**FINISHED, "finishReason": "length"}]


def test_an_answer_that_fails_shows_why_and_what_came_before(told: Told) -> None:
    cut = told("cut")
    assert cut["status"] == "error"
    ((error,), (finished,)) = cut["seen"]["errors"], cut["seen"]["finished"]
    assert error.startswith("Error: ")
    assert "{" not in error
    assert finished["isError"]
    assert not finished["isDisconnect"]
    assert cut["shown"] == [["user", "Count to me"], ["assistant", "1 2 3 "]]
    assert cut["metadata"]["error"] == {"code": "upstream_cut", "retryable": True}


def test_a_refusal_is_a_sentence_and_its_message_can_be_sent_again(told: Told) -> None:
    refusal = told("refusal")
    assert refusal["status"] == "error"
    assert refusal["seen"]["errors"] == ["Error: No configured provider has this model."]
    assert refusal["again"] == [["user", "Hello"], ["assistant", "You said: Hello"]]
    assert told("stranger") == "Valid credentials are required."
    assert told("busy") == ["Error: An answer is still being written in this conversation."]


def test_an_answer_is_stopped_with_its_text_kept(told: Told) -> None:
    stop = told("stop")
    assert (stop["status"], stop["chat"], stop["told"], stop["ended"]) == (202, "ready", "stopped", "stopped")
    assert stop["same"]
    assert stop["seen"]["errors"] == []


HALF = [["user", "Count"], ["assistant", "1 2 3 "]]


def test_leaving_does_not_end_the_answer_and_its_page_comes_back_to_all_of_it(told: Told) -> None:
    leave = told("leave")
    assert leave["left"] == "streaming"
    assert leave["shown"] == HALF
    assert [each[:2] for each in leave["stored"]] == HALF
    assert leave["seen"]["errors"] == []


def test_a_page_that_is_loaded_in_mid_answer_reads_all_of_it(told: Told) -> None:
    resume = told("resume")
    assert resume["same"]
    assert (resume["shown"], resume["status"], resume["seen"]["errors"]) == ([HALF[1]], "ready", [])


def test_a_new_chat_has_nothing_to_come_back_to(told: Told) -> None:
    assert told("nothing") == {"status": "ready", "seen": {"errors": [], "finished": []}, "shown": []}


def test_the_stream_can_be_read_without_a_chat(told: Told) -> None:
    assert told("read") == ["assistant", "You said: Hello"]


def test_files_of_a_message_arrive(told: Told) -> None:
    assert told("file")["shown"][1] == ["assistant", "You said: What is this?"]


def test_sources_are_parts_by_the_numbers_that_the_answer_names_them_by(told: Told) -> None:
    found = told("sources")
    start, first, second, text = found["parts"]
    assert start["type"] == "step-start"
    assert (first["type"], first["sourceId"], first["title"]) == ("source-document", "1", "手册.pdf")
    assert (first["mediaType"], second["mediaType"]) == ("application/pdf", "text/plain")
    assert first["providerMetadata"]["source"]["quote"] == "“Twelve” days"
    assert first["providerMetadata"]["source"]["page"] == 3
    assert text["text"] == "Twelve days [1]."
    assert found["metadata"]["files"][0]["reason"] == "unsupported"
    assert (found["metadata"]["answerable"], found["metadata"]["confidence"]) == (True, 0.87)
    assert found["status"] == "ready"
