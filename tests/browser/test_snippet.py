"""A page of the app's own origin: the simplest front-end there is, EventSource, a closed tab, and the API reference."""

import re
from pathlib import Path

import pytest

from tests.backend import PASSWORD, Backend, User
from tests.browser.page import FOLLOW, TEXT_SEEN, load_snippet, sign_in
from tests.browser.webdriver import Browser
from tests.upstream import Answer, Upstream

ROOT = Path(__file__).parent.parent.parent
PIECES = ("你好, ", "wörld 😀", "\n\n", 'data: {"done": true}', "\u2028", " \\ </script> ", "end.")
WHOLE = "".join(PIECES)


async def stored(user: User) -> str:
    """The newest answer of the user's newest conversation, once it is whole."""
    (conversation, *_) = (await user.http.get("/conversations")).json()["items"]
    answer = await user.answer(conversation["id"])
    assert answer["status"] == "complete"
    text: str = answer["content"]
    return text


@pytest.mark.parametrize("by", ["cookie", "token"])
async def test_the_front_end_snippet_shows_the_answer_as_it_is_written(
    by: str, browser: Browser, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(PIECES, hold=True))
    alice = await backend.user()
    if by == "cookie":
        await sign_in(browser, alice)
    await load_snippet(browser, token=alice.token if by == "token" else None)

    await browser.run("window.reading = ask('Say hello').then(() => { window.over = true; });")
    await upstream.release(2)
    await browser.until("document.getElementById('output').textContent === '你好, wörld 😀'")
    assert await browser.run("return window.over") is None
    await upstream.finish()
    await browser.until("window.over")

    shown = await browser.run("return document.getElementById('output').textContent")
    assert shown == WHOLE
    assert shown == await stored(alice)
    assert await browser.console() == []


async def test_the_snippet_takes_an_answer_of_many_chunks(
    browser: Browser, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(tuple(f"{number} 号 " for number in range(2000))))
    alice = await backend.user()
    await sign_in(browser, alice)
    await load_snippet(browser)

    await browser.run("return ask('Count')")

    assert await browser.run("return document.getElementById('output').textContent") == await stored(alice)
    assert await browser.console() == []


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
async def test_the_page_of_the_readme_reads_on_where_it_is_sent_elsewhere_or_cut_off(
    readme: str, browser: Browser, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(PIECES, hold=True))
    alice = await backend.user()
    (with_fetch, *_) = re.findall(r"```js\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL)
    await browser.run(
        f"{with_fetch}; window.text = ''; ask('Hello', arguments[0], t => text += t).then(e => {{ window.end = e; }});",
        alice.token,
    )
    await upstream.release(2)
    await browser.until("text === '你好, wörld 😀'")
    (conversation,) = (await alice.http.get("/conversations")).json()["items"]
    log = backend.house.engine.log((await alice.messages(conversation["id"]))[-1]["generation_id"])
    assert log is not None
    log.part()
    log.parted = False  # the instance that it comes to is another
    await upstream.release(2)
    await browser.until("text.endsWith('data: {\"done\": true}')")
    backend.cut()
    await upstream.finish()
    await browser.until("window.end")

    assert await browser.run("return text") == WHOLE
    assert await browser.run("return end.status") == "complete"


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
async def test_the_pages_of_the_readme_show_the_answer(
    readme: str, browser: Browser, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(PIECES))
    alice = await backend.user()
    with_fetch, with_event_source, _ = re.findall(
        r"```js\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL
    )
    await browser.run("document.body.insertAdjacentHTML('beforeend', '<div id=output></div>');")

    await browser.run(
        f"{with_fetch}; window.text = ''; return ask('Hello', arguments[0], t => text += t);", alice.token
    )
    assert await browser.run("return text") == WHOLE
    await sign_in(browser, alice)
    await browser.run(f"{with_event_source}; window.source = events;")
    await browser.until("source.readyState === EventSource.CLOSED")

    assert await browser.run("return document.getElementById('output').textContent") == WHOLE


async def test_event_source_follows_under_the_session_cookie_and_resumes(
    browser: Browser, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(PIECES, hold=True))
    alice = await backend.user()
    await sign_in(browser, alice)
    assert await browser.run("return document.cookie") == "", "no script can read it"

    await browser.run(FOLLOW, "/ai/chat/stream?message=Say%20hello")
    await upstream.release(2)
    await browser.until(f"{TEXT_SEEN} === '你好, wörld 😀'")
    await browser.run("source.close(); window.before = seen;")
    generation_id, _, seq = (await browser.run("return before.at(-1).id")).partition(":")
    await upstream.release(2)
    await browser.run(FOLLOW, f"/ai/generations/{generation_id}/events?after={seq}")
    await browser.until(f"{TEXT_SEEN} === {PIECES[2] + PIECES[3]!r}".replace("\n", "\\n"))
    await upstream.finish()
    await browser.until("seen.some(event => event.data.done)")

    events = await browser.run("return [...before, ...seen]")
    assert [event["id"] for event in events] == [f"{generation_id}:{n}" for n in range(1, len(events) + 1)]
    assert [event["data"]["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events] == ["start", *["message"] * 7, "usage", "message"]
    assert "".join(event["data"].get("text", "") for event in events) == await stored(alice) == WHOLE
    # Left alone it reconnects after the end, is told that there is nothing more, and stays away.
    await browser.until("source.readyState === EventSource.CLOSED")
    assert await browser.run("return seen.length") == len(events) - 3
    assert len(upstream.calls) == 1


async def test_a_page_that_is_closed_in_mid_stream_finds_the_whole_answer_later(
    browser: Browser, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(PIECES, hold=True))
    alice = await backend.user()
    await sign_in(browser, alice)
    await load_snippet(browser)
    await browser.run("ask('Say hello');")
    await upstream.release(2)
    await browser.until("document.getElementById('output').textContent.length > 4")

    await browser.go("about:blank")
    await upstream.finish()

    assert upstream.calls[0].ended == "complete"
    await browser.go(f"{backend.url}/docs")
    found = await browser.run(
        "return fetch('/conversations').then(r => r.json())"
        ".then(list => fetch(`/conversations/${list.items[0].id}/messages`)).then(r => r.json())"
        ".then(list => list.items.map(message => [message.status, message.content]))"
    )
    assert found == [["complete", "Say hello"], ["complete", WHOLE]]


@pytest.mark.parametrize(("page", "rendered"), [("/docs", ".opblock"), ("/redoc", "h1")])
async def test_the_api_reference_shows_without_errors_or_foreign_hosts(
    page: str, rendered: str, browser: Browser, backend: Backend
) -> None:
    await browser.go(f"{backend.url}{page}")

    await browser.until(f"document.querySelectorAll('{rendered}').length")

    loaded = await browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert f"{backend.url}/openapi.json" in loaded
    assert {url for url in loaded if not url.startswith((backend.url, "data:", "blob:"))} == set()
    assert await browser.console() == []


async def test_the_sign_in_of_the_api_reference_makes_its_examples_work(
    browser: Browser, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(("Hello from the model.",)))
    alice = await backend.user()
    await browser.click(".btn.authorize")
    await browser.type("#oauth_username", alice.email)
    await browser.type("#oauth_password", PASSWORD)
    await browser.click(".auth-container button.authorize")
    await browser.until("document.querySelector('.auth-container h6')?.textContent.includes('Authorized')")

    await browser.click(".auth-container button.btn-done")
    await browser.click("#operations-chat-chat_stream .opblock-summary-control")
    await browser.until("document.querySelector('.opblock.is-open textarea')?.value.includes('message')")
    await browser.click(".opblock.is-open button.execute")

    shown = "document.querySelector('.opblock.is-open .live-responses-table')?.textContent"
    await browser.until(f"{shown}?.includes('Hello from the model.')")
    assert await stored(alice) == "Hello from the model."
    assert await browser.console() == []
