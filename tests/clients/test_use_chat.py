"""`useChat` in a real browser, on a page of this service's own origin under its session cookie."""

import json
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import pytest

from tests.backend import User
from tests.browser.conftest import chromium
from tests.browser.page import sign_in
from tests.browser.webdriver import Browser
from tests.chat.conftest import Service
from tests.clients.node import need_packages, run
from tests.upstream import Answer, Upstream

__all__ = ["chromium"]

PLACE = "/docs/oauth2-redirect"
"""The smallest page of this origin that may run scripts and ask."""
PIECES = ("你好, ", "wörld 😀", "\n\n", "and ", "more.")
WHOLE = "".join(PIECES)
HALF = "你好, wörld 😀"
STATUS = "chat.status"
SAID = "shown.at(-1)?.[1]"
LAST = "chat.messages.at(-1)"
STOP = """
return fetch(`/ai/generations/${arguments[0]}/stop`, {method: 'POST'}).then(answer => answer.status);
"""


@pytest.fixture(scope="module")
async def script() -> str:
    """The page, as a bundler makes it."""
    need_packages()
    flags = ("--bundle", "--format=iife", "--minify", '--define:process.env.NODE_ENV="production"')
    return await run("node_modules/.bin/esbuild", "use_chat.jsx", *flags)


_numbers = count(1)


@pytest.fixture
def upstream(vendor: Upstream) -> Iterator[Upstream]:
    vendor.reset()
    yield vendor
    vendor.reset()


@pytest.fixture
async def browser(chromium: Browser, service: Service, upstream: Upstream) -> AsyncIterator[Browser]:
    await chromium.go(f"{service.backend.url}{PLACE}")
    yield chromium
    await chromium.forget()


@pytest.fixture
async def alice(browser: Browser, service: Service) -> User:
    user = await service.backend.user(f"page-{next(_numbers)}")
    await sign_in(browser, user)
    return user


async def mount(browser: Browser, script: str, chat_id: str, **options: Any) -> None:
    await browser.run(f"{script}; window.mount(arguments[0]);", {"id": chat_id, **options})
    await browser.until("window.chat")


async def say(browser: Browser, text: str) -> None:
    await browser.run("chat.sendMessage({text: arguments[0]});", text)


def is_(text: str) -> str:
    return f"{SAID} === {json.dumps(text)}"


async def test_a_page_shows_the_answer_as_it_is_written_and_asks_for_another(
    browser: Browser, alice: User, script: str, upstream: Upstream
) -> None:
    upstream.script([Answer(PIECES, hold=True), Answer(("Else",)), Answer(("Next",))])
    await mount(browser, script, "chat")

    await say(browser, "Say hello")
    await upstream.release(2)
    await browser.until(is_(HALF))
    assert await browser.run(f"return {STATUS}") == "streaming"
    await upstream.finish()
    await browser.until(f"{STATUS} === 'ready'")
    assert await browser.run("return document.querySelector('#talk .assistant').textContent") == WHOLE
    await browser.run("chat.regenerate();")
    await browser.until(is_("Else"))
    await browser.until(f"{STATUS} === 'ready'")
    await say(browser, "Go on")
    await browser.until(is_("Next"))

    (conversation,) = (await alice.http.get("/conversations")).json()["items"]
    stored = [each["content"] for each in await alice.messages(conversation["id"])]
    assert stored == ["Say hello", WHOLE, "Else", "Go on", "Next"]
    assert [each["content"] for each in upstream.calls[2].body["messages"]] == ["Say hello", "Else", "Go on"]


async def test_a_page_that_is_reloaded_in_mid_answer_shows_all_of_it_as_one_message(
    browser: Browser, service: Service, alice: User, script: str, upstream: Upstream
) -> None:
    upstream.script(Answer(PIECES, hold=True))
    await mount(browser, script, "chat")
    await say(browser, "Say hello")
    await upstream.release(2)
    await browser.until(is_(HALF))
    shown = await browser.run("return chat.messages")

    await browser.go(f"{service.backend.url}{PLACE}")
    await mount(browser, script, "chat", messages=shown)
    await upstream.release(1)
    await browser.until(is_(HALF + "\n\n"))
    await upstream.finish()
    await browser.until(f"{STATUS} === 'ready'")

    assert await browser.run("return shown") == [["user", "Say hello"], ["assistant", WHOLE]]
    assert await browser.run(f"return {LAST}.id") == shown[-1]["id"]
    assert (len(upstream.calls), upstream.calls[0].ended) == (1, "complete")
    await browser.go(f"{service.backend.url}{PLACE}")
    await mount(browser, script, "chat", messages=[])
    await browser.until(f"{STATUS} === 'ready'")
    assert await browser.run("return [shown, chat.error ?? null]") == [[], None]


async def test_a_page_whose_line_breaks_comes_back_to_the_whole_message(
    browser: Browser, service: Service, alice: User, script: str, upstream: Upstream
) -> None:
    upstream.script(Answer(PIECES, hold=True))
    # A chat that the hook makes by itself shows the beginning twice: it does not pass on that its transport reads the
    # whole message again (@ai-sdk/react 3.0.327).
    await mount(browser, script, "chat", outside=True)
    await say(browser, "Say hello")
    await upstream.release(2)
    await browser.until(is_(HALF))

    service.backend.cut()
    await browser.until(f"{STATUS} === 'error'")
    assert await browser.run("return finished") == [{"isAbort": False, "isDisconnect": True, "isError": True}]
    await browser.run("chat.resumeStream();")
    await browser.until(f"{STATUS} === 'streaming'")
    await upstream.finish()
    await browser.until(f"{STATUS} === 'ready'")

    assert await browser.run("return shown") == [["user", "Say hello"], ["assistant", WHOLE]]
    await browser.console()


async def test_an_answer_is_stopped_by_its_generation(
    browser: Browser, alice: User, script: str, upstream: Upstream
) -> None:
    upstream.script(Answer(PIECES, hold=True))
    await mount(browser, script, "chat")
    await say(browser, "Say hello")
    await upstream.release(2)
    await browser.until(is_(HALF))

    generation_id = await browser.run(f"return {LAST}.metadata.generationId")
    status = await browser.run(STOP, generation_id)
    await browser.until(f"{STATUS} === 'ready'")

    assert status == 202
    assert await browser.run(f"return [shown.at(-1), {LAST}.metadata.status]") == [["assistant", HALF], "stopped"]
    assert (await upstream.ended()).ended == "aborted"


async def test_a_refusal_is_a_sentence_on_the_page(
    browser: Browser, alice: User, script: str, upstream: Upstream
) -> None:
    await mount(browser, script, "chat", body={"model": "nobody/nothing"})
    await say(browser, "Hello")

    await browser.until(f"{STATUS} === 'error'")

    assert await browser.run("return chat.error.message") == "No configured provider has this model."
    await browser.console()
