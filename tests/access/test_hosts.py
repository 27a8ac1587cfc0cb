"""Who may do what does not hang on the Host header, on how a path is spelled, or on headers that name another method.

CVE-2026-48710: the framework builds `request.url` from the Host header, so that `Host: x/health?` made any path look
open to whoever looked there.
"""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.access.people import Credential
from tests.access.verdicts import Wrong
from tests.access.world import World, on_one_database

pytestmark = on_one_database
HOSTS = [
    *(b"", b" ", b"x/health?", b"x/health#", b"x#", b"x?", b"x/", b"x/../health", b"x\\health", b"/health"),
    *(b"a@b", b"user:password@localhost", b"localhost:0", b"localhost:99999", b"localhost:-1", b"localhost:port"),
    *(b":8000", b"[::1]", b"[::1", b"::1", b"127.0.0.1.", b"0x7f.1", b"2130706433", b"localhost, evil.test"),
    *(b"evil.test", b"//evil.test", b"http://evil.test/health", b"%2e%2e", b"x%00y", b"\xff\xfe", "例子.测试".encode()),
    *(b"x\ty", b"a" * 10_000),
]
NAMES = [b"X-Forwarded-Host", b"X-Original-URL", b"X-Rewrite-URL", b"Forwarded", b"X-Forwarded-Prefix"]
OVERRIDES = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"]
SPELLINGS = [
    *("/{path}", "//{path}", "/./{path}", "/.//{path}", "/x/../{path}", "/%2e/{path}", "/x/%2e%2e/{path}", "/{path}/"),
    *(
        "/health/../{path}",
        "/health/..%2f{path}",
        "/docs/../{path}",
        "/{path}/.",
        "/{path}%00",
        "/{path}%20",
        "/{path};a",
    ),
    *("/{path}?x=/health", "/{path}%3f", "/{path}%23", "/{path}//", "/{path}/health", "/{path}.json", "/{path}%2f"),
]


async def _ask(world: World, path: bytes, *headers: bytes, method: bytes = b"GET") -> int:
    """The status of an answer to a request as it is written; 0 when there is none."""
    url = urlsplit(str(world.http.base_url))
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        lines = (b"%b %b HTTP/1.1" % (method, path), *headers, b"Connection: close", b"Content-Length: 0", b"", b"")
        writer.write(b"\r\n".join(lines))
        async with asyncio.timeout(10):
            answer = await reader.read()
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: repr(host)[:30])
async def test_a_host_decides_nothing(world: World, host: bytes) -> None:
    token = b"Authorization: Bearer " + world.alice.access.encode()
    for name in (b"Host", *NAMES):
        given = [b"%b: %b" % (name, host), *([] if name == b"Host" else [b"Host: localhost"])]
        assert await _ask(world, b"/users/me", *given) in (401, 400), name
        assert await _ask(world, b"/users", *given, token) in (403, 400), name
        assert await _ask(world, b"/users/me", *given, token) in (200, 400), name
        assert await _ask(world, b"/health", *given) in (200, 400), name


async def test_a_request_without_a_host_is_treated_like_any_other(world: World) -> None:
    assert await _ask(world, b"/users/me") in (401, 400)
    assert await _ask(world, b"/health") in (200, 400)


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_however_a_path_is_spelled_it_opens_nothing(world: World, spelling: str) -> None:
    """And what does not name a route is unknown to everybody alike."""
    token = b"Authorization: Bearer " + world.bob.access.encode()
    for path in ("users/me", "USERS/ME", "Users/me", "conversations", "users", f"users/{world.alice.id}"):
        asked = spelling.format(path=path).encode()
        own = path in ("users/me", "conversations")
        assert await _ask(world, asked, b"Host: localhost") in (401, 404), asked
        allowed = (200, 403, 404) if own else (403, 404)
        assert await _ask(world, asked, b"Host: localhost", token) in allowed, asked


@pytest.mark.parametrize("header", OVERRIDES)
async def test_a_header_names_no_other_method(world: World, header: str) -> None:
    wrong = Wrong()
    somebody = await world.somebody()
    path = f"/conversations/{somebody.ids['conversation_id']}"
    for method in ("DELETE", "PATCH", "POST"):
        headers = {**somebody.token.headers, header: method}
        answer = await world.http.get(path, headers=headers, params={"_method": method})
        wrong.unless(answer.status_code == 200, answer, method)
        answer = await world.http.post(path, headers=headers, data={"_method": method})
        wrong.expect(answer, (405, "method_not_allowed"), method)
    wrong.check(at_least=6)
    assert (await world.http.get(path, **somebody.token.sent)).status_code == 200


async def test_an_answer_never_leads_where_the_host_says(world: World) -> None:
    for path in ("/", "/docs", "/conversations/", "/users/me/"):
        answer = await world.http.get(path, headers={"Host": "evil.test"}, params=Credential("").params)
        assert "evil.test" not in answer.headers.get("location", "") + answer.text
