"""HTTP under a vendor's SDK or adapter: an aiohttp session whose bodies are read without the SDK's own layers."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from io import BytesIO
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from multidict import CIMultiDict
from yarl import URL

from app.domain.failures import FailureCode, GenerationFailure

# An error page is for us to classify, not to keep; a list of models is the largest answer that is read whole.
ERROR_BODY_BYTES = 64 * 1024
WHOLE_BODY_BYTES = 8 * 1024 * 1024
ERROR_BODY_SECONDS = 5.0
DRAIN_SECONDS = 0.1
_AT_ONCE_BYTES = 512 * 1024
KEEPALIVE_SECONDS = 30.0

_BODY = "aiohttp_body"
# Ordered: the first class that fits wins.
_ERRORS: tuple[tuple[type[Exception], type[httpx2.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx2.ReadTimeout),
    (aiohttp.ClientProxyConnectionError, httpx2.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx2.ProxyError),
    (aiohttp.InvalidURL, httpx2.UnsupportedProtocol),
    (aiohttp.NonHttpUrlClientError, httpx2.UnsupportedProtocol),
    (aiohttp.ClientConnectorError, httpx2.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx2.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx2.RemoteProtocolError),
)


class Body(httpx2.AsyncByteStream):
    """The body of one answer. `close` cuts the connection at once, unless the answer was read to its end."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def read(self) -> bytes:
        """All that has arrived, at least one byte; empty at the end. Raises GenerationFailure when cut."""
        try:
            return await self._read()
        except (aiohttp.ClientError, OSError) as error:
            detail = "The connection to the provider was cut."
            raise GenerationFailure(FailureCode.UPSTREAM_CUT, detail, retryable=True, transient=True) from error

    async def drain(self) -> None:
        """Read what is left of an answer that is known to be whole, so that its connection can serve another."""
        with suppress(TimeoutError, GenerationFailure):
            async with asyncio.timeout(DRAIN_SECONDS):
                while await self.read():
                    pass

    def close(self) -> None:
        self._response.close()

    async def aclose(self) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            while data := await self._read():
                size += len(data)
                if size > WHOLE_BODY_BYTES:
                    raise httpx2.RemoteProtocolError("the answer is too large to be read whole")
                yield data
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ReadError(type(error).__name__) from error

    async def _read(self) -> bytes:
        content = self._response.content
        try:
            return await content.readany()
        except (aiohttp.ClientError, OSError):
            # aiohttp raises before it hands out what had arrived ahead of the cut; that is text which somebody awaits.
            if rest := content._read_nowait(-1):
                return rest
            raise


def body_of(response: httpx2.Response) -> Body:
    """The body of an unread answer that came through AiohttpTransport."""
    body = response.extensions[_BODY]
    assert isinstance(body, Body)  # noqa: S101
    return body


class Arrival(NamedTuple):
    """An answer of which nothing was read yet."""

    headers: Mapping[str, str]
    body: Body


class Refused(Exception):
    """An answer with the status of an error; its page is read."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """One connection pool to the host of `base_url`, opened at the first request.

    The engine bounds how many answers run and how long each may take; here only connecting has a limit, in seconds.
    """

    def __init__(self, base_url: str, *, connect_timeout: float) -> None:
        # It takes 35 ms to make (measured); without TLS nothing is ever asked of it, for no redirect is followed.
        self._ssl: ssl.SSLContext | bool = base_url.startswith("http:") or httpx2.create_ssl_context()
        self._proxy, self._proxy_auth = _proxy_for(base_url)
        self._connect_timeout = connect_timeout
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = CIMultiDict(request.headers.multi_items())
        url = URL(str(request.url), encoded=True)
        response = await self._send(request.method, url, headers, await request.aread())
        if response.status >= 400:
            return await _refusal(response)
        body = Body(response)
        return httpx2.Response(response.status, headers=_headers(response), stream=body, extensions={_BODY: body})

    async def post(self, url: URL, headers: CIMultiDict[str], content: bytes) -> Arrival:
        """An answer of which nothing was read yet, without an object of httpx2's: they cost more than the request.

        Raises httpx2.TransportError, and Refused for the status of an error.
        """
        response = await self._send("POST", url, headers, content)
        if response.status >= 400:
            refusal = await _refusal(response)
            refusal.request = httpx2.Request("POST", str(url))  # without which the SDK names nothing
            raise Refused(refusal)
        return Arrival(response.headers, Body(response))

    async def _send(self, method: str, url: URL, headers: CIMultiDict[str], content: bytes) -> aiohttp.ClientResponse:
        try:
            return await self._opened().request(
                method,
                url,
                headers=headers,
                # What is large is written in parts.
                data=BytesIO(content) if len(content) > _AT_ONCE_BYTES else content or None,
                allow_redirects=False,
                proxy=self._proxy,
                proxy_auth=self._proxy_auth,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise translated(error) from error

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No `trust_env`: it reads ~/.netrc for each request in a thread, and an entry there is an error here.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS, ssl=self._ssl),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_timeout),
            )
        return self._session


async def _refusal(response: aiohttp.ClientResponse) -> httpx2.Response:
    page = await _error_page(response)
    return httpx2.Response(response.status, headers=_headers(response), content=page)


async def _error_page(response: aiohttp.ClientResponse) -> bytes:
    """What can be had of it soon: the status is known, so neither a cut nor a stall may hide it."""
    page = bytearray()
    try:
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            while len(page) < ERROR_BODY_BYTES and (data := await response.content.readany()):
                page += data
    except (aiohttp.ClientError, OSError, TimeoutError):
        pass
    finally:
        response.close()
    return bytes(page[:ERROR_BODY_BYTES])


def _headers(response: aiohttp.ClientResponse) -> list[tuple[bytes, bytes]]:
    """Without those of the encoding, which aiohttp has undone."""
    return [(k, v) for k, v in response.raw_headers if k.lower() not in (b"content-encoding", b"content-length")]


def translated(error: Exception) -> httpx2.TransportError:
    """The error of httpx2 that the SDK knows how to name."""
    kind = next((theirs for ours, theirs in _ERRORS if isinstance(error, ours)), httpx2.ReadError)
    return kind(type(error).__name__)


def _proxy_for(base_url: str) -> tuple[URL | None, aiohttp.BasicAuth | None]:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name for this address; none to this machine."""
    parts = urlsplit(base_url)
    proxies = getproxies()
    address = proxies.get(parts.scheme) or proxies.get("all")
    if not address or proxy_bypass(parts.netloc) or _is_here(parts.hostname or ""):
        return None, None
    url = URL(address if "://" in address else f"http://{address}")
    return url.with_user(None), aiohttp.BasicAuth.from_url(url)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
