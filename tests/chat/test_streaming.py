"""A question is streamed, stored, and found again whole."""

from tests.backend import Backend
from tests.upstream import Answer, Upstream


async def test_an_answer_is_streamed_and_stored_just_as_the_upstream_sent_it(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(("你好", ", ", "world", "!"), usage=(7, 4)))
    alice = await backend.user()

    stream = await alice.chat("Say hello")

    assert stream.text == "你好, world!"
    assert stream.seqs == list(range(1, len(stream.events) + 1))
    assert stream.start.keys() == {"seq", "conversation_id", "message_id", "generation_id", "model"}
    assert stream.start["model"] == "openai/echo"
    assert stream.named("usage") == [{"seq": 6, "input_tokens": 7, "output_tokens": 4, "cost": None}]
    assert stream.done == {"done": True, "status": "complete", "message_id": stream.start["message_id"], "seq": 7}
    asked, answered = await alice.messages(stream.start["conversation_id"])
    assert (asked["role"], asked["content"], asked["status"]) == ("user", "Say hello", "complete")
    assert (answered["content"], answered["status"]) == ("你好, world!", "complete")
    assert answered["id"] == stream.start["message_id"]
    assert answered["usage"] == {"input_tokens": 7, "output_tokens": 4, "cost": None}
