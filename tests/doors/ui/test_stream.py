"""An answer as the parts of a message, each as the AI SDK's schema has it."""

from tests.chat.conftest import Service
from tests.doors.ui.page import Page, kinds, parts, said
from tests.upstream import Answer, Cut, Reasoning, Refuse, Upstream

PIECES = ("你好, ", "wörld 😀", "\n\n", 'data: {"type": "finish"}', "\u2028", " \\ </script> ", "end.")
WHOLE = "".join(PIECES)


async def test_an_answer_is_one_message_from_start_to_finish(page: Page, upstream: Upstream) -> None:
    upstream.script(Answer(PIECES, usage=(9, 3)))

    stream = await page.say("Say hello")

    assert kinds(stream) == ["start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"]
    assert said(stream) == WHOLE
    assert page.response is not None
    headers = page.response.headers
    start, finish = stream[0], stream[-1]
    question, answer = await page.stored()
    assert start["messageId"] == answer["id"]
    assert start["messageMetadata"] == {
        "conversationId": headers["x-conversation-id"],
        "generationId": headers["x-generation-id"],
        "model": "openai/echo",
    }
    assert finish["finishReason"] == "stop"
    assert finish["messageMetadata"]["status"] == "complete"
    used = {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12, "cost": answer["usage"]["cost"]}
    assert finish["messageMetadata"]["usage"] == used
    assert (question["content"], answer["content"]) == ("Say hello", WHOLE)


async def test_it_is_sent_as_its_clients_and_the_proxies_before_them_expect(page: Page) -> None:
    await page.say("Hello")

    assert page.response is not None
    headers = page.response.headers
    assert headers["content-type"] == "text/event-stream"
    assert headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert "no-cache" in headers["cache-control"]
    assert headers["x-accel-buffering"] == "no"
    assert page.response.content.count(b"data: ") == page.response.content.count(b"\n\n")


async def test_thoughts_are_a_part_of_their_own(page: Page, upstream: Upstream) -> None:
    upstream.script(Answer((Reasoning("Let me "), Reasoning("think."), "Yes", ".")))

    stream = await page.say("Think", model="deepseek/deepseek-reasoner")

    assert kinds(stream)[2:-2] == [
        *("reasoning-start", "reasoning-delta", "reasoning-end"),
        *("text-start", "text-delta", "text-end"),
    ]
    assert (said(stream, "reasoning-delta"), said(stream)) == ("Let me think.", "Yes.")
    assert len({part["id"] for part in stream if part["type"].startswith("text-")}) == 1
    assert len({part["id"] for part in stream if "id" in part}) == 2


async def test_an_answer_that_found_no_room_says_so(page: Page) -> None:
    assert (await page.say("Write", model="openai/length"))[-1]["finishReason"] == "length"


async def test_an_answer_that_fails_says_why_once_and_ends(page: Page, upstream: Upstream) -> None:
    upstream.script(Answer(PIECES, fault=Cut(after=2)))

    stream = await page.say("Say hello")

    assert kinds(stream)[3:] == ["text-delta", "text-end", "finish-step", "message-metadata", "error", "finish"]
    assert said(stream) == WHOLE[: len(PIECES[0] + PIECES[1])]
    error = next(part["errorText"] for part in stream if part["type"] == "error")
    stored = (await page.stored())[-1]
    assert error == stored["error"]["detail"]
    told = next(part["messageMetadata"] for part in stream if part["type"] == "message-metadata")
    assert told["error"] == {"code": "upstream_cut", "retryable": True}
    assert stream[-1]["finishReason"] == "error"


async def test_an_answer_that_fails_before_its_first_word_says_why(page: Page, upstream: Upstream) -> None:
    upstream.script(Refuse(401))

    stream = await page.say("Hello")

    assert kinds(stream) == ["start", "start-step", "finish-step", "message-metadata", "error", "finish"]


async def test_an_answer_that_is_stopped_is_aborted_with_its_text_kept(
    service: Service, page: Page, upstream: Upstream
) -> None:
    upstream.script(Answer(PIECES, hold=True))
    async with page.following("Say hello") as reader:
        await upstream.release(2)
        await reader.until(lambda _: "😀".encode() in reader.body)
        assert reader.response is not None
        generation_id = reader.response.headers["x-generation-id"]
        stopped = await page.user.http.post(f"/ai/generations/{generation_id}/stop")
        await reader.ended()

    assert stopped.status_code == 202
    stream = parts(reader.body)
    assert kinds(stream)[-4:] == ["text-end", "finish-step", "message-metadata", "abort"]
    assert said(stream) == PIECES[0] + PIECES[1]
    assert (await upstream.ended()).ended == "aborted"


async def test_leaving_does_not_end_the_answer(page: Page, upstream: Upstream) -> None:
    upstream.script(Answer(PIECES, hold=True))
    async with page.following("Say hello") as reader:
        await upstream.release(2)
        await reader.until(lambda _: "😀".encode() in reader.body)
        assert reader.response is not None
        conversation_id = reader.response.headers["x-conversation-id"]
    await upstream.finish()

    answer = await page.user.answer(conversation_id)
    assert (answer["status"], answer["content"]) == ("complete", WHOLE)
