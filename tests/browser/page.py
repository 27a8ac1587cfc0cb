"""What pages do in these tests: sign in, load the snippet, follow a stream by EventSource."""

from pathlib import Path

from tests.backend import PASSWORD, User
from tests.browser.webdriver import Browser

SNIPPET = Path(__file__).with_name("snippet.js").read_text(encoding="utf-8")
_TYPE = "'Content-Type': 'application/json'"

SIGN_IN = """
const [username, password] = arguments;
return fetch('/auth/login', {method: 'POST', body: new URLSearchParams({username, password})})
  .then(async answer => { window.signedIn = await answer.json(); return answer.status; });
"""
FOLLOW = """
const [url] = arguments;
window.seen = [];
window.source = new EventSource(url);
const keep = event => seen.push({type: event.type, id: event.lastEventId, data: JSON.parse(event.data)});
for (const type of ['start', 'message', 'usage', 'failure']) source.addEventListener(type, keep);
"""
TEXT_SEEN = "seen.map(event => event.data.text || '').join('')"


async def sign_in(browser: Browser, user: User) -> None:
    """Under the session cookie from now on, as on this site's own sign-in page."""
    assert await browser.run(SIGN_IN, user.email, PASSWORD) == 200


async def load_snippet(browser: Browser, *, token: str | None = None) -> None:
    """The snippet and the element that it writes to; with a token it is as it would be on a page without a cookie."""
    snippet = SNIPPET
    if token is not None:
        snippet = SNIPPET.replace(_TYPE, f"{_TYPE}, Authorization: `Bearer ${{token}}`")
        assert snippet != SNIPPET
    await browser.run(
        "window.token = arguments[0]; document.body.insertAdjacentHTML('beforeend', '<div id=output></div>');"
        f"{snippet}; window.ask = ask;",
        token,
    )
