"""Proxies: which one the environment names, and the ways through it."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from app.providers.http.proxies import Proxy, proxy_for
from tests.providers.http.asking import post, text, transport
from tests.providers.http.certificates import Authority
from tests.providers.http.loops import on_each_loop
from tests.providers.http.wire import OK, EndOfReply, Reply, Wire, plays

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
FAR = "http://far.example"
SECRET = "https://far.example"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, FAR, None),
        ({"http_proxy": "http://proxy:3128"}, FAR, Proxy("http", "proxy", 3128, b"")),
        ({"http_proxy": "http://proxy:3128"}, SECRET, None),
        ({"HTTPS_PROXY": "http://proxy"}, SECRET, Proxy("http", "proxy", 80, b"")),
        ({"HTTPS_PROXY": "https://proxy"}, SECRET, Proxy("https", "proxy", 443, b"")),
        ({"ALL_PROXY": "proxy:3128"}, SECRET, Proxy("http", "proxy", 3128, b"")),
        ({"ALL_PROXY": "http://proxy", "NO_PROXY": "far.example"}, SECRET, None),
        ({"ALL_PROXY": "http://proxy", "NO_PROXY": ".example"}, SECRET, None),
        ({"ALL_PROXY": "http://proxy", "NO_PROXY": "*"}, SECRET, None),
        ({"ALL_PROXY": "http://proxy", "NO_PROXY": "far.example"}, "https://me:pass@far.example:1/v1", None),
        ({"ALL_PROXY": "http://proxy", "NO_PROXY": "other.example"}, FAR, Proxy("http", "proxy", 80, b"")),
        ({"ALL_PROXY": "http://proxy"}, "http://127.0.0.1:11434", None),
        ({"ALL_PROXY": "http://proxy"}, "http://127.9.9.9", None),
        ({"ALL_PROXY": "http://proxy"}, "http://[::1]:11434", None),
        ({"ALL_PROXY": "http://proxy"}, "http://localhost", None),
        ({"ALL_PROXY": "http://proxy"}, "http://ollama.localhost", None),
        (
            {"ALL_PROXY": "http://me:p%40ss@proxy"},
            FAR,
            Proxy("http", "proxy", 80, b"Proxy-Authorization: Basic bWU6cEBzcw==\r\n"),
        ),
        ({"ALL_PROXY": "http://me@proxy"}, FAR, Proxy("http", "proxy", 80, b"Proxy-Authorization: Basic bWU6\r\n")),
    ],
)
def test_the_environment_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: Proxy | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


def tunnels_to(port: int) -> Reply:
    """Lets whoever asks through to this port, wherever they wanted to go."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            await asyncio.gather(_pump(reader, away), _pump(there, writer))
        finally:
            away.transport.abort()
        raise EndOfReply

    return reply


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
    sink.transport.abort()


@on_each_loop
async def test_in_clear_the_proxy_is_told_the_whole_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Wire(plays(OK)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:pass@127.0.0.1:{proxy.port}")
        async with transport(FAR) as asked:
            for _ in range(2):
                assert await text((await post(asked, FAR)).body) == b"ok"
        lines = proxy.heads[0].split(b"\r\n")
        assert lines[0] == b"POST http://far.example/path HTTP/1.1"
        assert {b"Host: far.example", b"Proxy-Authorization: Basic bWU6cGFzcw=="} < {*lines}
        assert proxy.connections == 1


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


@on_each_loop
async def test_in_tls_the_proxy_learns_no_more_than_the_host(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        Wire(plays(OK), secure=authority.server("far.example")) as server,
        Wire(tunnels_to(server.port)) as proxy,
    ):
        monkeypatch.setenv("https_proxy", f"http://me:pass@127.0.0.1:{proxy.port}")
        async with transport(SECRET) as asked:
            for _ in range(3):
                assert await text((await post(asked, SECRET)).body) == b"ok"
        assert proxy.heads == [
            b"CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n"
            b"Proxy-Authorization: Basic bWU6cGFzcw==\r\n\r\n"
        ]
        assert (server.connections, server.protocols) == (1, ["http/1.1"])
        assert all(b"Proxy-Authorization" not in head and b"Host: far.example\r\n" in head for head in server.heads)


@on_each_loop
async def test_behind_a_tunnel_the_server_has_to_be_the_right_one(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = authority.server("near.example")
    async with Wire(plays(OK), secure=secure) as server, Wire(tunnels_to(server.port)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        async with transport(SECRET) as asked:
            with pytest.raises(httpx2.ConnectError):
                await post(asked, SECRET)
        assert server.heads == []


@on_each_loop
async def test_the_way_to_the_proxy_may_be_secured_too(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    far, own = authority.server("far.example"), authority.server("127.0.0.1")
    async with (
        Wire(plays(OK), secure=far) as server,
        Wire(plays(OK), secure=own) as relay,
        Wire(tunnels_to(server.port), secure=own) as tunnel,
    ):
        monkeypatch.setenv("http_proxy", relay.url)
        monkeypatch.setenv("https_proxy", tunnel.url)
        for url in (FAR, SECRET):
            async with transport(url) as asked:
                assert await text((await post(asked, url)).body) == b"ok"


REFUSALS = {
    "credentials": plays(b"HTTP/1.1 407 Who Are You\r\nContent-Length: 0\r\n\r\n"),
    "forbidden": plays(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"),
    "bad-gateway": plays(b"HTTP/1.1 502 Bad Gateway\r\n\r\n", then="close"),
    "redirect": plays(b"HTTP/1.1 302 Elsewhere\r\nLocation: http://127.0.0.1\r\n\r\n"),
    "nothing": plays(then="close"),
    "reset": plays(then="reset"),
    "garbage": plays(b"garbage\r\n\r\n"),
    "head-without-end": plays(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000, then="hold"),
    "more-than-a-tunnel": plays(b"HTTP/1.1 200 OK\r\n\r\nsurplus", then="hold"),
    "no-tls-behind": plays(b"HTTP/1.1 200 OK\r\n\r\n", b"surplus surplus", then="hold"),
}


@pytest.mark.parametrize("reply", REFUSALS.values(), ids=REFUSALS)
@on_each_loop
async def test_a_proxy_that_refuses_is_an_error_of_the_transport(monkeypatch: pytest.MonkeyPatch, reply: Reply) -> None:
    async with Wire(reply) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        async with transport(SECRET) as asked:
            with pytest.raises((httpx2.ProxyError, httpx2.ConnectError)):
                await post(asked, SECRET)
            await proxy.until(lambda: proxy.left == 1)


@on_each_loop
async def test_a_proxy_that_wants_credentials_is_no_vendor_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Wire(REFUSALS["credentials"]) as proxy:
        monkeypatch.setenv("all_proxy", proxy.url)
        for url in (FAR, SECRET):
            async with transport(url) as asked:
                with pytest.raises(httpx2.ProxyError):
                    await post(asked, url)


@on_each_loop
async def test_a_proxy_that_says_nothing_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Wire(plays(then="hold")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        async with transport(SECRET, connect_timeout=0.1) as asked:
            with pytest.raises(httpx2.ConnectTimeout):
                await post(asked, SECRET)
        await proxy.until(lambda: proxy.left == 1)


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:9", "http://nobody.invalid", "http://127.0.0.1:1", "http://127.0.0.1:none", "http://"]
)
@on_each_loop
async def test_a_proxy_that_cannot_be_used_is_an_error_of_the_transport(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    async with transport(FAR, connect_timeout=60) as asked:
        with pytest.raises(httpx2.ProxyError):
            await post(asked, FAR)


@on_each_loop
async def test_cancelled_at_any_step_of_a_tunnel_it_leaves_nothing_behind(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        Wire(plays(OK), secure=authority.server("far.example")) as server,
        Wire(tunnels_to(server.port)) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url)
        async with transport(SECRET) as asked:
            for steps in range(30):
                task = asyncio.create_task(post(asked, SECRET))
                for _ in range(steps):
                    await asyncio.sleep(0.0003)
                task.cancel()
                for arrival in await asyncio.gather(task, return_exceptions=True):
                    if not isinstance(arrival, BaseException):
                        arrival.body.close()
