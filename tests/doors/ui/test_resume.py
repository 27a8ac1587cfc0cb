"""A page that comes back reads the whole message again, from its start, and then what follows."""

import pytest

from tests.backend import User
from tests.chat.conftest import Service
from tests.conftest import Serve
from tests.doors.ui.page import Page, kinds, parts, said, shown
from tests.follower import Follower
from tests.upstream import Answer, Upstream

PIECES = ("你好, ", "wörld 😀", "\n\n", "and ", "more.")
WHOLE = "".join(PIECES)


async def test_it_reads_the_same_message_from_its_start_and_then_live(page: Page, upstream: Upstream) -> None:
    upstream.script(Answer(PIECES, hold=True))
    async with page.following("Say hello") as reader:
        await upstream.release(2)
        await reader.until(lambda _: shown(reader.body) == "你好, wörld 😀")
        async with page.returning() as returning:
            await returning.until(lambda _: shown(returning.body) == "你好, wörld 😀")
            await upstream.finish()
            await returning.ended()
        await reader.ended()

    assert returning.body == reader.body
    assert said(parts(returning.body)) == WHOLE
    assert reader.response is not None
    assert returning.response is not None
    for name in ("x-vercel-ai-ui-message-stream", "x-conversation-id", "x-generation-id", "content-type"):
        assert returning.response.headers[name] == reader.response.headers[name]
    assert len(upstream.calls) == 1


@pytest.mark.parametrize(
    "chat_id",
    ["new", "0198a5c0-0000-7000-8000-000000000000", "%00", "a%2Fb", "..%2F..", "%F0%9F%98%80", "x" * 300, "%ff", "?"],
)
async def test_where_nothing_is_written_there_is_nothing_to_read(chat_id: str, alice: User) -> None:
    answer = await alice.http.get(f"/ai/ui/chat/{chat_id}/stream")

    assert (answer.status_code, answer.content) == ((204, b"") if chat_id != "?" else (404, answer.content))


@pytest.mark.parametrize("chat_id", ["a/b", "c d?e#f%g", "聊天😀", "0198a5c0-0000-7000-8000-000000000001", "x" * 255])
async def test_a_chat_may_have_any_name(chat_id: str, alice: User, service: Service, upstream: Upstream) -> None:
    upstream.script(Answer(PIECES, hold=True))
    page = Page(alice, chat_id)
    async with page.following("Say hello") as reader:
        await upstream.release(1)
        await reader.until(lambda _: shown(reader.body) == "你好, ")
        address = page.user.http.build_request("GET", "/").url.copy_with(
            raw_path=f"/ai/ui/chat/{_component(chat_id)}/stream".encode()
        )
        stranger = await service.backend.user("stranger")
        foreign = await stranger.http.get(address)
        async with Follower(alice, "GET", str(address)) as resumed:
            await resumed.until(lambda _: bool(resumed.body))  # else it may end before it is asked for
            await upstream.finish()
            await resumed.ended()
        assert said(parts(resumed.body)) == WHOLE
        await reader.ended()

    assert foreign.status_code == 204
    assert (await alice.http.get(address)).status_code == 204


def _component(text: str) -> str:
    """What JavaScript's encodeURIComponent makes of it."""
    return "".join(chr(b) if chr(b).isalnum() and b < 128 else f"%{b:02X}" for b in text.encode())


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_a_reader_elsewhere_is_cut_off_when_its_instance_goes_and_reads_all_of_it_at_the_other(
    database_kind: str, serve: Serve, vendor: Upstream, redis_url: str
) -> None:
    vendor.reset()
    vendor.script(Answer(PIECES, hold=True))
    settings = {"openai_base_url": f"{vendor.url}/v1", "redis_url": redis_url, "secret_key": "s" * 32}
    writing, going = await serve(**settings), await serve(**settings)
    alice = await writing.user()
    visiting = await going.signed_up("alice")
    page = Page(alice)
    async with page.following("Say hello") as reader:
        await vendor.release(2)
        await reader.until(lambda _: shown(reader.body) == "你好, wörld 😀")
        async with Page(visiting, page.chat_id).returning() as elsewhere:
            await elsewhere.until(lambda _: shown(elsewhere.body) == "你好, wörld 😀")
            await going.house.drain(0)
            await elsewhere.ended()
            assert elsewhere.cut
        async with page.returning() as back:
            await back.until(lambda _: bool(back.body))  # else it may end before it is asked for
            await vendor.finish()
            await back.ended()
        await reader.ended()

    assert back.body == reader.body
    assert said(parts(back.body)) == WHOLE


async def test_an_answer_that_is_cut_short_as_its_instance_goes_says_so_to_its_page(
    serve: Serve, vendor: Upstream, redis_url: str
) -> None:
    vendor.reset()
    vendor.script(Answer(PIECES, hold=True))
    backend = await serve(openai_base_url=f"{vendor.url}/v1", redis_url=redis_url)
    page = Page(await backend.user())
    async with page.following("Say hello") as reader:
        await vendor.release(2)
        await reader.until(lambda _: shown(reader.body) == "你好, wörld 😀")
        await backend.house.drain(0)
        await reader.ended()

    assert not reader.cut
    assert kinds(parts(reader.body))[-3:] == ["message-metadata", "error", "finish"]
