"""The session cookie is for this site's own pages; pages of other origins bring a token, or a ticket."""

import logging
import re
from pathlib import Path

import pytest

from tests.backend import Backend
from tests.browser.page import load_snippet, sign_in
from tests.browser.webdriver import Browser
from tests.conftest import Serve
from tests.upstream import Answer, Upstream

ROOT = Path(__file__).parent.parent.parent
WORDS = ("One ", "two ", "three.")
WHOLE = "".join(WORDS)

# With the cookie, where the browser sends it along: as plain text no preflight asks whether it may.
POST_BLIND = """
const [url] = arguments;
return fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include',
  headers: {'Content-Type': 'text/plain'}, body: JSON.stringify({message: 'Hello'})}).then(answer => answer.type);
"""
POST_JSON = """
const [url] = arguments;
return fetch(url, {method: 'POST', credentials: 'include',
  headers: {'Content-Type': 'application/json'}, body: JSON.stringify({message: 'Hello'})})
  .then(answer => answer.status, () => 'blocked');
"""
# Where frames are not shown and scripts are foreign, a form still posts.
SUBMIT = """
const form = document.createElement('form');
Object.assign(form, {method: 'post', action: arguments[0], enctype: 'text/plain'});
form.append(Object.assign(document.createElement('input'), {name: '{"message": "Hello", "x": "', value: '"}'}));
document.body.append(form);
form.submit();
"""
LISTEN = """
const [url] = arguments;
return new Promise(done => {
  const source = new EventSource(url, {withCredentials: true});
  source.onerror = () => { done(source.readyState === EventSource.CLOSED ? 'refused' : 'broken'); source.close(); };
  source.addEventListener('start', () => { done('started'); source.close(); });
});
"""
REFRESH = """
return fetch('/auth/refresh', {method: 'POST', headers: {'Content-Type': 'application/json'},
  body: JSON.stringify({refresh_token: signedIn.refresh_token})}).then(answer => answer.status);
"""
WHO_AM_I = "return fetch('/users/me').then(async answer => answer.ok ? (await answer.json()).email : answer.status)"


def foreign_page(upstream: Upstream, host: str) -> str:
    """A page of another origin, without a policy of its own: the vendor's list of models."""
    return f"{upstream.url}/v1/models".replace("127.0.0.1", host)


def statuses(caplog: pytest.LogCaptureFixture, method: str) -> list[int]:
    """What requests for chat streams were answered with."""
    found = [record.__dict__ for record in caplog.records if record.__dict__.get("path") == "/ai/chat/stream"]
    return [each["status"] for each in found if each["method"] == method]


# Another port is another origin of the same site, to which a browser sends the cookie; another host is another site.
@pytest.mark.parametrize(("host", "refusal"), [("127.0.0.1", 403), ("localhost", 401)], ids=["same-site", "cross-site"])
@pytest.mark.parametrize("allowed", [False, True], ids=["unknown", "in CORS_ORIGINS"])
async def test_a_page_of_another_origin_starts_nothing_under_the_cookie(
    host: str,
    refusal: int,
    allowed: bool,
    chromium: Browser,
    serve: Serve,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "app")
    page = foreign_page(upstream, host)
    backend = await serve(cors_origins=page.removesuffix("/v1/models") if allowed else "")
    alice = await backend.user()
    await chromium.go(f"{backend.url}/docs")
    await sign_in(chromium, alice)

    await chromium.go(page)
    blind = await chromium.run(POST_BLIND, f"{backend.url}/ai/chat/stream")
    json = await chromium.run(POST_JSON, f"{backend.url}/ai/chat/stream")
    heard = await chromium.run(LISTEN, f"{backend.url}/ai/chat/stream?message=Hello")
    await chromium.run(SUBMIT, f"{backend.url}/ai/chat/stream")
    await chromium.until(f"location.origin === '{backend.url}'")

    assert (blind, json, heard) == ("opaque", "blocked", "refused")
    # The preflight stops JSON even where CORS_ORIGINS names the page, for it allows no cookie.
    assert statuses(caplog, "POST") == [refusal, refusal]
    assert statuses(caplog, "GET") == [refusal]
    assert upstream.calls == []
    assert (await alice.http.get("/conversations")).json()["items"] == []
    await chromium.go(f"{backend.url}/docs")
    assert await chromium.run(WHO_AM_I) == alice.email, "the cookie itself is good"
    await chromium.forget()


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
async def test_event_source_of_another_origin_comes_with_a_ticket(
    readme: str, chromium: Browser, serve: Serve, upstream: Upstream
) -> None:
    page = foreign_page(upstream, "localhost")
    backend = await serve(cors_origins=page.removesuffix("/v1/models"))
    upstream.script(Answer(WORDS))
    alice = await backend.user()
    _, _, with_ticket = re.findall(r"```js\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL)
    await chromium.go(page)

    await chromium.run(
        f"{with_ticket}; window.text = '';"
        "return listen(arguments[0], arguments[1], 'Hello').then(events => { window.source = events;"
        "events.addEventListener('message', ({data}) => { text += JSON.parse(data).text || ''; }); });",
        backend.url,
        alice.token,
    )
    # It reconnects with the same ticket after the end, is told that there is nothing more, and stays away.
    await chromium.until("source.readyState === EventSource.CLOSED")

    assert await chromium.run("return text") == WHOLE
    assert len(upstream.calls) == 1
    assert len((await alice.http.get("/conversations")).json()["items"]) == 1
    await chromium.forget()


async def test_a_session_whose_cookie_has_run_out_is_renewed_by_its_page(
    browser: Browser, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(Answer(WORDS))
    alice = await backend.user()
    await sign_in(browser, alice)
    assert await browser.run(WHO_AM_I) == alice.email
    await browser.expire("session")
    assert await browser.run(WHO_AM_I) == 401

    assert await browser.run(REFRESH) == 200

    assert await browser.run(WHO_AM_I) == alice.email
    assert await browser.run("return document.cookie") == ""
    await load_snippet(browser)
    await browser.run("return ask('Hello')")
    assert await browser.run("return document.getElementById('output').textContent") == WHOLE


async def test_signing_out_of_a_page_leaves_nothing_behind(browser: Browser, backend: Backend) -> None:
    alice = await backend.user()
    await sign_in(browser, alice)

    assert await browser.run("return fetch('/auth/logout', {method: 'POST'}).then(answer => answer.status)") == 204

    assert await browser.cookies() == []
    assert await browser.run(WHO_AM_I) == 401


async def test_the_cookie_is_what_it_is_said_to_be(browser: Browser, backend: Backend) -> None:
    await sign_in(browser, await backend.user())
    (cookie,) = await browser.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == ("session", True, "Lax", "/")
