"""How a request is spelled: its address, its headers, its length, and nothing that somebody smuggles in."""

import socket

import httpx2
import pytest

from app.providers.transport import Transport
from tests.providers.http.asking import ask, post, text, transport
from tests.providers.http.loops import on_each_loop
from tests.providers.http.wire import OK, Wire, plays

BASE = "http://vendor.example/v1"


def head(transport: Transport, url: str, headers: dict[str, str] | None = None) -> list[bytes]:
    return transport.route(url, headers or {}).head.split(b"\r\n")


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://vendor.example/v1/chat", b"vendor.example", b"/v1/chat"),
        ("http://vendor.example:80", b"vendor.example", b"/"),
        ("http://vendor.example:8080/", b"vendor.example:8080", b"/"),
        ("https://vendor.example:443/", b"vendor.example", b"/"),
        ("https://vendor.example:80/", b"vendor.example:80", b"/"),
        ("http://VENDOR.example/A%2fb?q=%20&r=a+b", b"vendor.example", b"/A%2fb?q=%20&r=a+b"),
        ("http://[::1]:11434/api", b"[::1]:11434", b"/api"),
        ("http://[::1]/api", b"[::1]", b"/api"),
        ("http://bücher.example/汉", b"xn--bcher-kva.example", b"/%E6%B1%89"),
        ("http://me:pass@vendor.example/", b"vendor.example", b"/"),
        ("http://vendor.example/#there", b"vendor.example", b"/"),
    ],
)
def test_an_address_is_told_as_it_was_given(url: str, host: bytes, target: bytes) -> None:
    first, second, *_ = head(Transport(url, connect_timeout=5), url)
    assert (first, second) == (b"POST " + target + b" HTTP/1.1", b"Host: " + host)


def test_credentials_in_an_address_are_sent_unless_there_are_others() -> None:
    asked = Transport("http://me:p%40ss@vendor.example", connect_timeout=5)
    url = "http://vendor.example/"
    assert b"Authorization: Basic bWU6cEBzcw==" in head(asked, url)
    lines = head(asked, url, {"authorization": "Bearer key"})
    assert [line for line in lines if line.lower().startswith(b"authorization")] == [b"authorization: Bearer key"]


@pytest.mark.parametrize(
    "url",
    ["http://other.example/", "http://vendor.example:81/", "https://vendor.example/", "ftp://vendor.example/"],
)
async def test_no_other_host_is_ever_asked(url: str) -> None:
    asked = Transport(BASE, connect_timeout=5)
    with pytest.raises(httpx2.UnsupportedProtocol):
        asked.route(url, {})
    with pytest.raises(httpx2.UnsupportedProtocol):
        await asked.handle_async_request(httpx2.Request("GET", url))


@pytest.mark.parametrize("url", ["ftp://vendor.example", "vendor.example", "http://", ""])
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(httpx2.UnsupportedProtocol):
        Transport(url, connect_timeout=5)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "汉"])
async def test_a_value_that_no_header_can_hold_is_refused(value: str) -> None:
    asked = Transport(BASE, connect_timeout=5)
    with pytest.raises(ValueError, match=r".+"):
        asked.route(BASE, {"X-Key": value})
    with pytest.raises(ValueError, match=r".+"):
        await asked.post(asked.route(BASE, {}), b"{}", {"X-Key": value})
    with pytest.raises(ValueError, match=r".+"):
        await asked.handle_async_request(httpx2.Request("GET", BASE, headers={"X-Key": value}))


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ä"])
def test_a_name_that_no_header_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Transport(BASE, connect_timeout=5).route(BASE, {name: "x"})


@pytest.mark.parametrize("method", ["GET / HTTP/1.1\r\nX:", "", "GÉT"])
async def test_a_method_is_one_word(method: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        await Transport(BASE, connect_timeout=5).handle_async_request(httpx2.Request(method, BASE))


@on_each_loop
async def test_the_length_is_the_bodys_whatever_the_caller_says() -> None:
    async with Wire(plays(OK)) as server, transport(server.url) as asked:
        said = {"Content-Length": "1", "Transfer-Encoding": "chunked", "Host": "other", "Connection": "close"}
        arrival = await asked.post(asked.route(server.url, said), b'{"a":1}', {"X-More": "b"})
        assert await text(arrival.body) == b"ok"
        assert server.heads == [
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-More: b\r\nContent-Length: 7\r\n\r\n" % server.port
        ]
        assert server.bodies == [b'{"a":1}']


@pytest.mark.parametrize(("method", "length"), [("GET", None), ("HEAD", None), ("POST", b"0"), ("PUT", b"0")])
@on_each_loop
async def test_no_body_has_no_length_or_none_at_all(method: str, length: bytes | None) -> None:
    async with Wire(plays(b"HTTP/1.1 204 No Content\r\n\r\n")) as server, transport(server.url) as asked:
        await ask(asked, method, server.url)
        assert (b"Content-Length: 0\r\n" in server.heads[0]) is (length is not None)
        assert b"Transfer-Encoding" not in server.heads[0]


def _ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


@pytest.mark.skipif(not _ipv6(), reason="this machine has no IPv6")
@on_each_loop
async def test_a_server_may_listen_on_ipv6_alone() -> None:
    async with Wire(plays(OK), host="::1") as server:
        url = f"http://[::1]:{server.port}"
        async with transport(url) as asked:
            assert await text((await post(asked, url)).body) == b"ok"
            assert b"Host: [::1]:%d\r\n" % server.port in server.heads[0]
