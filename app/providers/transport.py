"""HTTP under a vendor's SDK or adapter: requests to one address, whose answers are read as they arrive."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from typing import NamedTuple

import httpx2

from app.domain.failures import GenerationFailure
from app.providers.bodies import Body, body
from app.providers.http import heads
from app.providers.http.answers import Answer, Unanswered
from app.providers.http.dialing import Dialer, Origin
from app.providers.http.pool import Pool
from app.providers.http.proxies import basic, proxy_for

# An error page is for us to classify, not to keep.
ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_SECONDS = 5.0

_BODY = "app.body"
_PROXY_WANTS_CREDENTIALS = 407
# To ask these twice is to ask once, says RFC 9110 (9.2.2).
_REPEATABLE = frozenset({"GET", "HEAD"})


def body_of(response: httpx2.Response) -> Body:
    """The body of an unread answer that came through Transport."""
    body = response.extensions[_BODY]
    assert isinstance(body, Body)  # noqa: S101
    return body


class Route(NamedTuple):
    """Where a POST goes, with as much of its head as is the same each time."""

    url: httpx2.URL
    head: bytes


class Arrival(NamedTuple):
    """An answer of which nothing was read yet. The names of its headers are in lower case."""

    headers: Mapping[str, str]
    body: Body


class Refused(Exception):
    """An answer with the status of an error; its page is read."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Transport(httpx2.AsyncBaseTransport):
    """The connections to the host of `base_url`, opened as they are needed; it asks no other, and follows nobody.

    The engine bounds how many answers run and how long each may take; here only connecting has a limit, in seconds.
    """

    def __init__(self, base_url: str, *, connect_timeout: float) -> None:
        url = httpx2.URL(base_url)
        self._origin = Origin.of(url)
        self._credentials = basic(url.username, url.password) if url.userinfo else b""
        proxy = proxy_for(base_url)
        self._pool = Pool(Dialer(self._origin, proxy, connect_timeout=connect_timeout).dial)
        # A proxy has to be told the whole address, unless it is to know nothing but the host.
        self._relayed = proxy is not None and self._origin.scheme == "http"
        self._proxy_line = proxy.authorization if proxy is not None and self._relayed else b""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        head = self._head(request.method, request.url, request.headers.raw)
        return await self._response(await self._ask(request.method, head, await request.aread()))

    def route(self, url: str, headers: Mapping[str, str]) -> Route:
        """Raises ValueError for headers that no request can hold."""
        address = httpx2.URL(url)
        return Route(address, self._head("POST", address, heads.encoded(headers.items())))

    async def post(self, route: Route, content: bytes, further: Mapping[str, str]) -> Arrival:
        """An answer of which nothing was read yet, without an object of httpx2's: they cost more than the request.

        Raises httpx2.TransportError, Refused for the status of an error, and ValueError for `further` headers that no
        request can hold.
        """
        head = route.head + heads.header_lines(heads.encoded(further.items())) if further else route.head
        answer = await self._ask("POST", head, content)
        if answer.status >= 400:
            refusal = await _refusal(answer)
            refusal.request = httpx2.Request("POST", route.url)  # without which the SDK names nothing
            raise Refused(refusal)
        return Arrival(
            {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}, body(answer)
        )

    async def upload(self, url: str, headers: Mapping[str, str], content: AsyncIterator[bytes]) -> httpx2.Response:
        """The answer to a POST whose body is sent while it comes; as of `handle_async_request`.

        What `content` raises is raised, and what was sent so far is broken off visibly.
        """
        head = self._head("POST", httpx2.URL(url), heads.encoded(headers.items())) + heads.CHUNKED
        connection, _ = await self._pool.lend()
        return await self._response(await connection.send("POST", head, content))

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _response(self, answer: Answer) -> httpx2.Response:
        if answer.status >= 400:
            return await _refusal(answer)
        arriving = body(answer)
        return httpx2.Response(answer.status, headers=_headers(answer), stream=arriving, extensions={_BODY: arriving})

    def _head(self, method: str, url: httpx2.URL, headers: list[tuple[bytes, bytes]]) -> bytes:
        if Origin.of(url) != self._origin:
            raise httpx2.UnsupportedProtocol("another host than that of this transport")
        target = url.raw_path
        if self._relayed:
            target = b"%b://%b%b" % (url.raw_scheme, url.netloc, target)
        if self._credentials and not any(name.lower() == b"authorization" for name, _ in headers):
            headers = [*headers, (b"Authorization", self._credentials)]
        lines = heads.header_lines(headers)
        return heads.request_line(method, target) + heads.host_line(url) + self._proxy_line + lines

    async def _ask(self, method: str, head: bytes, content: bytes) -> Answer:
        head += heads.end(method, content)
        while True:
            connection, used = await self._pool.lend()
            try:
                answer = await connection.send(method, head, content)
            except Unanswered:
                if used and method in _REPEATABLE:
                    continue  # the server was about to close what it had kept
                raise
            if self._relayed and answer.status == _PROXY_WANTS_CREDENTIALS:
                answer.close()
                raise httpx2.ProxyError("the proxy wants other credentials")
            return answer


async def _refusal(answer: Answer) -> httpx2.Response:
    return httpx2.Response(answer.status, headers=_headers(answer), content=await _error_page(body(answer)))


async def _error_page(arriving: Body) -> bytes:
    """What can be had of it soon: the status is known, so neither a cut nor a stall may hide it."""
    page = bytearray()
    with closing(arriving):
        try:
            async with asyncio.timeout(ERROR_BODY_SECONDS):
                while len(page) < ERROR_BODY_BYTES and (data := await arriving.read()):
                    page += data
        except (GenerationFailure, TimeoutError):
            pass
    return bytes(page[:ERROR_BODY_BYTES])


def _headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Without those of the encoding, which is undone."""
    return [header for header in answer.headers if header[0] not in (b"content-encoding", b"content-length")]
