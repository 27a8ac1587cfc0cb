"""A page's chat is a conversation: which one, and where in it a message comes, whatever the page calls them."""

import asyncio
import base64
from uuid import uuid4

import pytest

from tests.backend import User
from tests.chat.conftest import Service
from tests.conftest import Serve
from tests.doors.ui.page import POST, Page, kinds, posted, text
from tests.upstream import Answer, Refuse, Upstream

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def asked(upstream: Upstream, call: int = -1) -> list[str]:
    """What the vendor was shown."""
    return [each["content"] for each in upstream.calls[call].body["messages"]]


async def tree(page: Page) -> list[tuple[str, str | None]]:
    """What was said, each with what it was said to."""
    found = await page.stored()
    words = {each["id"]: each["content"] for each in found}
    return [(each["content"], words.get(each["parent_id"])) for each in found]


async def conversations(user: User) -> int:
    return len((await user.http.get("/conversations")).json()["items"])


async def test_what_was_said_before_is_what_is_stored_and_not_what_the_page_sends(
    page: Page, upstream: Upstream
) -> None:
    await page.say("One")
    page.messages[0]["parts"] = [text("Something else")]
    page.messages[1]["parts"] = [text("I never said that")]

    await page.say("Two")

    assert asked(upstream) == ["One", "You said: One", "Two"]
    assert await tree(page) == [
        ("One", None),
        ("You said: One", "One"),
        ("Two", "You said: One"),
        ("You said: Two", "Two"),
    ]
    assert await conversations(page.user) == 1


async def test_a_chat_of_which_the_page_forgot_all_goes_on_all_the_same(page: Page, upstream: Upstream) -> None:
    await page.say("One")
    page.messages.clear()
    await page.say("Two")
    single = await page.send(messages=None, message=posted("", text("Three"))["messages"][0])

    assert single.status_code == 200
    assert asked(upstream) == ["One", "You said: One", "Two", "You said: Two", "Three"]


async def test_a_page_may_name_a_chat_by_its_conversations_own_id(alice: User, upstream: Upstream) -> None:
    conversation_id = (await alice.chat("One")).start["conversation_id"]

    await Page(alice, conversation_id.upper()).say("Two")

    assert asked(upstream) == ["One", "You said: One", "Two"]
    assert await conversations(alice) == 1


async def test_what_is_anothers_is_but_a_name(service: Service, alice: User, page: Page) -> None:
    bob = await service.backend.user("bob")
    conversation_id = (await bob.chat("Mine")).start["conversation_id"]
    await page.say("One")
    theirs, same = Page(alice, conversation_id), Page(bob, page.chat_id)

    await theirs.say("Two")
    await same.say("Three")

    assert await tree(theirs) == [("Two", None), ("You said: Two", "Two")]
    assert await tree(same) == [("Three", None), ("You said: Three", "Three")]
    assert len(await bob.messages(conversation_id)) == 2
    assert await conversations(alice) == await conversations(bob) == 2


async def test_a_chat_whose_conversation_was_deleted_begins_anew(page: Page, upstream: Upstream) -> None:
    await page.say("One")
    assert page.response is not None
    gone = page.response.headers["x-conversation-id"]
    await page.user.http.delete(f"/conversations/{gone}")

    await page.say("Two")

    assert asked(upstream) == ["Two"]
    assert await tree(page) == [("Two", None), ("You said: Two", "Two")]


async def test_two_tabs_that_begin_one_chat_at_once_begin_one_conversation(
    database_kind: str, serve: Serve, vendor: Upstream
) -> None:
    vendor.reset()
    vendor.script(Answer(hold=True))
    backend = await serve(openai_base_url=f"{vendor.url}/v1", max_concurrent_generations_per_user="")
    alice = await backend.user()
    pages = [Page(alice, "the same") for _ in range(6)]

    async with asyncio.TaskGroup() as group:
        posts = [group.create_task(page.send(**posted("the same", text("Hello")))) for page in pages]
        async with asyncio.timeout(10):
            while len([post for post in posts if post.done()]) < len(posts) - 1:
                await asyncio.sleep(0.01)
        await vendor.finish()
    answers = [post.result() for post in posts]

    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
    assert {answer.text for answer in answers if answer.status_code == 409} == {
        "An answer is still being written in this conversation."
    }
    assert await conversations(alice) == 1
    assert len(vendor.calls) == 1


async def test_another_answer_stands_beside_the_first(page: Page, upstream: Upstream) -> None:
    await page.say("One")
    upstream.script(Answer(("Again",)))
    await page.again()
    upstream.script(Answer(("Once more",)))
    await page.again(1)

    assert await tree(page) == [("One", None), ("You said: One", "One"), ("Again", "One"), ("Once more", "One")]
    assert asked(upstream) == ["One"]


async def test_an_earlier_answer_may_be_written_once_more(page: Page, upstream: Upstream) -> None:
    for word in ("One", "Two", "Three"):
        await page.say(word)
    upstream.script(Answer(("Again",)))

    await page.again(3)

    assert asked(upstream) == ["One", "You said: One", "Two"]
    assert (await tree(page))[-1] == ("Again", "Two")
    await page.say("Four")
    assert (await tree(page))[-2] == ("Four", "Again")


async def test_another_answer_to_what_never_arrived_is_the_first(page: Page, upstream: Upstream) -> None:
    await page.say("One")
    page.messages.append({"id": "lost", "role": "user", "parts": [text("Two")]})

    await page.again()

    assert asked(upstream) == ["One", "You said: One", "Two"]
    assert (await tree(page))[-2:] == [("Two", "You said: One"), ("You said: Two", "Two")]
    fresh = Page(page.user)
    fresh.messages.append({"id": "lost", "role": "user", "parts": [text("Three")]})
    await fresh.again()
    assert await tree(fresh) == [("Three", None), ("You said: Three", "Three")]


async def test_a_failed_answer_is_tried_again_without_a_second_question(page: Page, upstream: Upstream) -> None:
    upstream.script(Refuse(401))
    assert "error" in kinds(await page.say("One"))
    page.messages.pop()  # a page that got no part of it shows none
    upstream.script(Answer(("Here",)))

    await page.again()

    assert await tree(page) == [("One", None), ("", "One"), ("Here", "One")]


async def test_another_answer_with_no_message_shown_is_to_the_last(page: Page, upstream: Upstream) -> None:
    await page.say("One")
    await page.say("Two")
    upstream.script(Answer(("Again",)))

    answer = await page.send(messages=[], trigger="regenerate-message")

    assert answer.status_code == 200
    assert (await tree(page))[-1] == ("Again", "Two")
    too_long = await page.send(messages=posted("", text("字" * 200_001))["messages"], trigger="regenerate-message")
    assert (too_long.status_code, too_long.text) == (422, "A message may have at most 200,000 characters.")
    unknown = await Page(page.user).send(trigger="regenerate-message")
    assert unknown.status_code == 404
    assert unknown.text == "There is nothing in this chat that could be answered once more."


@pytest.mark.parametrize("at", [0, 2], ids=["first", "later"])
@pytest.mark.parametrize("ours", [True, False], ids=["by our id", "by its own"])
async def test_an_edited_message_stands_beside_the_one_that_it_was(
    at: int, ours: bool, page: Page, upstream: Upstream
) -> None:
    for word in ("One", "Two", "Three"):
        await page.say(word)
    named = (await page.stored())[at]["id"] if ours else None

    await page.edit(at, "Else", named=named)

    before = "You said: One" if at else None
    assert (await tree(page))[-2:] == [("Else", before), ("You said: Else", "Else")]
    assert asked(upstream) == [*(["One", "You said: One"] if at else []), "Else"]
    await page.say("Four")
    assert (await tree(page))[-2] == ("Four", "You said: Else")


async def test_a_page_that_shows_another_branch_goes_on_there(page: Page, upstream: Upstream) -> None:
    await page.say("One")
    other = Page(page.user, page.chat_id)
    other.messages = [*page.messages]
    await page.say("Two")

    await other.say("Else")

    assert asked(upstream) == ["One", "You said: One", "Else"]
    assert (await tree(page))[-2] == ("Else", "You said: One")


async def test_answers_that_the_page_has_made_up_are_not_gone_on_from(page: Page, upstream: Upstream) -> None:
    page.messages.append({"id": "welcome", "role": "assistant", "parts": [text("How can I help?")]})
    page.messages.append({"id": str(uuid4()), "role": "assistant", "parts": [text("Well?")]})

    await page.say("One")
    await page.say("Two")

    assert asked(upstream) == ["One", "You said: One", "Two"]


async def test_what_else_the_page_says_holds_for_the_answer(page: Page, upstream: Upstream) -> None:
    await page.say(
        "Hello",
        model="anthropic/claude-sonnet-4-6",
        system_prompt="Be brief.",
        max_tokens=77,
        temperature=0.5,
        reasoning_effort=None,
        collection="",
        theme={"dark": True},
    )

    body = upstream.calls[-1].body
    assert (body["model"], body["system"], body["max_tokens"]) == ("claude-sonnet-4-6", "Be brief.", 77)


async def test_a_file_in_a_message_is_kept_as_the_users_and_shown_to_the_model(page: Page, upstream: Upstream) -> None:
    picture = base64.b64encode(PNG).decode()
    inlaid = {"type": "file", "mediaType": "image/png", "filename": "图.png", "url": f"data:image/png;base64,{picture}"}

    first = await page.send(**posted(page.chat_id, inlaid, text("What is this?"), model="openai/gpt-5"))
    again = await page.send(**posted(page.chat_id, inlaid, text("And now?"), model="openai/gpt-5"))

    assert (first.status_code, again.status_code) == (200, 200), first.text + again.text
    (file,) = (await page.user.http.get("/files")).json()["items"]
    assert (file["name"], file["media_type"]) == ("图.png", "image/png")
    assert picture in str(upstream.calls[-1].body)
    by_address = {"type": "file", "mediaType": "image/png", "url": f"/files/{file['id']}/content"}
    named = await Page(page.user).send(**posted("another", by_address, text("This?"), model="openai/gpt-5"))
    assert named.status_code == 200
    assert picture in str(upstream.calls[-1].body)


async def test_a_key_that_may_not_keep_files_keeps_none(page: Page) -> None:
    made = await page.user.http.post("/users/me/api-keys", json={"name": "page", "scopes": ["chat"]})
    inlaid = {"type": "file", "mediaType": "text/plain", "filename": "a.txt", "url": "data:text/plain;base64,YQ=="}

    for said in ([inlaid, text("Read this")], [text("Hello")]):
        answer = await page.user.http.post(
            POST, json=posted(page.chat_id, *said), headers={"Authorization": f"Bearer {made.json()['key']}"}
        )
        assert answer.status_code == (403 if inlaid in said else 200)

    assert (await page.user.http.get("/files")).json()["items"] == []
    assert await conversations(page.user) == 1


async def test_a_key_gets_the_first_outcome(page: Page, upstream: Upstream) -> None:
    body = posted(page.chat_id, text("Hello"))
    first = await page.user.http.post(POST, json=body, headers={"Idempotency-Key": "k"})
    again = await page.user.http.post(POST, json=body, headers={"Idempotency-Key": "k"})
    other = await page.user.http.post(POST, json={**body, "model": "openai/x"}, headers={"Idempotency-Key": "k"})

    assert first.content == again.content
    assert first.headers["x-generation-id"] == again.headers["x-generation-id"]
    assert (other.status_code, len(upstream.calls)) == (422, 1)
