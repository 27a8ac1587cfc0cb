"""What the model is shown: the system prompt, the turns that fit, and the newest message last."""

from typing import Any

import pytest

from tests.backend import Backend, User
from tests.sse import Stream
from tests.upstream import Answer, Cut, Record, Refuse, Upstream

WINDOW = 32_000
"""Tokens that a model of which nothing is known is taken to hold; a token is about four ASCII characters."""


def shown(call: Record) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in call.body["messages"]]


def answers(upstream: Upstream, *texts: str) -> None:
    upstream.script([Answer((text,)) for text in texts])


async def talk(user: User, *messages: str, **first: Any) -> Stream:
    """Post one message after the other to a new conversation; `first` goes with the first one."""
    stream = await user.chat(messages[0], **first)
    for message in messages[1:]:
        stream = await user.chat(message, conversation_id=stream.start["conversation_id"])
    return stream


async def test_the_turns_alternate_behind_the_system_prompt(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    answers(upstream, "A1", "A2", "A3")

    await talk(alice, "Q1", "Q2", "Q3", system_prompt="Be brief.")

    assert shown(upstream.calls[0]) == [("system", "Be brief."), ("user", "Q1")]
    assert shown(upstream.calls[2]) == [
        ("system", "Be brief."),
        ("user", "Q1"),
        ("assistant", "A1"),
        ("user", "Q2"),
        ("assistant", "A2"),
        ("user", "Q3"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "line\r\nbreaks\u2028and\x85more",
        'quotes " and \\ and data: x\n\nevent: done',
        "emoji 😀👩‍👩‍👧 汉字 \ufeff\ufffd",
    ],
)
async def test_the_model_is_shown_just_what_was_said(backend: Backend, upstream: Upstream, text: str) -> None:
    alice = await backend.user()
    answers(upstream, text, "Yes.")

    await talk(alice, text, text, system_prompt=text)

    assert shown(upstream.calls[1]) == [("system", text), ("user", text), ("assistant", text), ("user", text)]


# What stays with a conversation


async def test_a_model_stays_until_another_is_named(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    stream = await talk(alice, "Q1", "Q2", model="openai/first")
    conversation_id = stream.start["conversation_id"]
    await alice.chat("Q3", conversation_id=conversation_id, model="openai/second")

    last = await alice.chat("Q4", conversation_id=conversation_id)

    assert [call.model for call in upstream.calls] == ["first", "first", "second", "second"]
    assert stream.start["model"] == "openai/first"
    assert last.start["model"] == "openai/second"
    models = [message["model"] for message in await alice.messages(conversation_id) if message["role"] == "assistant"]
    assert models == ["openai/first", "openai/first", "openai/second", "openai/second"]
    assert (await alice.http.get(f"/conversations/{conversation_id}")).json()["model"] == "openai/second"


async def test_a_model_that_nobody_named_is_the_default(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()

    await talk(alice, "Q1", "Q2")

    assert [call.model for call in upstream.calls] == ["echo", "echo"]


async def test_a_model_stays_with_its_own_conversation(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    await talk(alice, "Q1", model="openai/other", system_prompt="Be brief.")

    await talk(alice, "Q1")

    assert upstream.calls[1].model == "echo"
    assert shown(upstream.calls[1]) == [("user", "Q1")]


async def test_a_system_prompt_stays_until_another_is_given_and_an_empty_one_clears_it(
    backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    stream = await talk(alice, "Q1", "Q2", system_prompt="Be brief.")
    conversation_id = stream.start["conversation_id"]
    await alice.chat("Q3", conversation_id=conversation_id, system_prompt="Be long.")
    await alice.chat("Q4", conversation_id=conversation_id)
    await alice.chat("Q5", conversation_id=conversation_id, system_prompt="")

    await alice.chat("Q6", conversation_id=conversation_id)

    first = [shown(call)[0] for call in upstream.calls]
    assert first == [
        ("system", "Be brief."),
        ("system", "Be brief."),
        ("system", "Be long."),
        ("system", "Be long."),
        ("user", "Q1"),
        ("user", "Q1"),
    ]


# What fits


async def test_the_oldest_turns_go_whole_when_the_window_is_full(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    answers(upstream, "A1", "A2", "A3", "A4")
    tenth = "x" * (WINDOW * 4 // 10)  # of the window, of which the answer may take 4,096 tokens
    half = tenth * 5

    await talk(alice, half, tenth * 2, tenth, "Q4", system_prompt="Be brief.")

    assert shown(upstream.calls[1])[1:] == [("user", half), ("assistant", "A1"), ("user", tenth * 2)]
    assert shown(upstream.calls[3]) == [
        ("system", "Be brief."),
        *[("user", half), ("assistant", "A1")],
        *[("user", tenth * 2), ("assistant", "A2")],
        *[("user", tenth), ("assistant", "A3")],
        ("user", "Q4"),
    ]

    conversation_id = (await alice.http.get("/conversations")).json()["items"][0]["id"]
    await alice.chat(tenth, conversation_id=conversation_id)

    assert shown(upstream.calls[4]) == [
        ("system", "Be brief."),
        *[("user", tenth * 2), ("assistant", "A2")],
        *[("user", tenth), ("assistant", "A3")],
        *[("user", "Q4"), ("assistant", "A4")],
        ("user", tenth),
    ]
    assert len(await alice.messages(conversation_id)) == 10


async def test_a_message_beyond_the_window_is_sent_alone_for_the_vendor_to_judge(
    backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    answers(upstream, "A1", "A2")
    huge = "x" * (WINDOW * 5)

    await talk(alice, "Q1", huge, system_prompt="Be brief.")

    assert shown(upstream.calls[1]) == [("system", "Be brief."), ("user", huge)]


# Where it continues


async def test_a_post_continues_from_the_message_that_it_names(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    answers(upstream, "A1", "A2", "A3", "A4")
    stream = await talk(alice, "Q1", "Q2")
    conversation_id = stream.start["conversation_id"]
    _, first_answer, *_ = await alice.messages(conversation_id)

    aside = await alice.chat("Q3", conversation_id=conversation_id, parent_id=first_answer["id"])
    await alice.chat("Q4", conversation_id=conversation_id)

    assert shown(upstream.calls[2]) == [("user", "Q1"), ("assistant", "A1"), ("user", "Q3")]
    assert shown(upstream.calls[3]) == [
        *[("user", "Q1"), ("assistant", "A1")],
        *[("user", "Q3"), ("assistant", "A3")],
        ("user", "Q4"),
    ]
    messages = await alice.messages(conversation_id)
    assert [message["content"] for message in messages] == ["Q1", "A1", "Q2", "A2", "Q3", "A3", "Q4", "A4"]
    assert messages[4]["parent_id"] == first_answer["id"]
    assert messages[6]["parent_id"] == aside.start["message_id"]


async def test_a_parent_of_elsewhere_is_not_found(backend: Backend, upstream: Upstream) -> None:
    alice, mallory = await backend.user("alice"), await backend.user("mallory")
    theirs, hers = await talk(alice, "Q1"), await talk(mallory, "Q1")

    for conversation, parent in ((hers, theirs), (theirs, theirs)):
        refused = await mallory.http.post(
            "/ai/chat/stream",
            json={
                "message": "Q2",
                "conversation_id": conversation.start["conversation_id"],
                "parent_id": parent.start["message_id"],
            },
        )
        assert refused.status_code == 404
    assert len(upstream.calls) == 2


# What failed


async def test_an_answer_that_failed_before_a_word_is_not_shown(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script([Refuse(401), Answer(("A2",)), Answer(("A3",))])

    await talk(alice, "Q1", "Q2", "Q3")

    assert shown(upstream.calls[1]) == [("user", "Q1\n\nQ2")]
    assert shown(upstream.calls[2]) == [("user", "Q1\n\nQ2"), ("assistant", "A2"), ("user", "Q3")]


async def test_what_was_written_of_a_failed_answer_is_shown(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script([Answer(("Half ", "an ", "answer"), fault=Cut(2)), Answer(("A2",))])

    await talk(alice, "Q1", "Go on.")

    assert shown(upstream.calls[1]) == [("user", "Q1"), ("assistant", "Half an "), ("user", "Go on.")]


# Parameters


async def test_the_bounds_of_the_answer_are_passed_on(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()

    await alice.chat("Q", max_tokens=17, temperature=0.25)
    await alice.chat("Q", temperature=0)
    await alice.chat("Q")

    asked = [(call.body["max_tokens"], call.body.get("temperature")) for call in upstream.calls]
    assert asked == [(17, 0.25), (4096, 0), (4096, None)]


async def test_a_model_is_asked_for_no_more_than_it_can_say(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()

    await alice.chat("Q", model="openai/gpt-4o", max_tokens=1_000_000)

    assert upstream.calls[0].body["max_tokens"] == 16_384


async def test_the_parameters_are_the_requests_own(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()

    await talk(alice, "Q1", "Q2", max_tokens=17, temperature=0.25)

    assert (upstream.calls[1].body["max_tokens"], upstream.calls[1].body.get("temperature")) == (4096, None)
