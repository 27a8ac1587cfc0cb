"""How a connection to one address is opened: by name, through a proxy or not, in clear or in TLS."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple

import httpx2

from app.providers.http.connection import Connection
from app.providers.http.proxies import Proxy
from app.providers.http.sockets import connected

_PORTS: Mapping[str, int] = {"http": 80, "https": 443}


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx2.URL) -> "Origin":
        """Raises httpx2.UnsupportedProtocol."""
        if url.scheme not in _PORTS or not url.raw_host:
            raise httpx2.UnsupportedProtocol("an address begins with http:// or https:// and a host")
        return cls(url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])


class Dialer:
    """Opens connections to one origin, each within `connect_timeout` seconds: name, TCP, proxy and TLS together."""

    def __init__(self, origin: Origin, proxy: Proxy | None, *, connect_timeout: float) -> None:
        self._origin = origin
        self._proxy = proxy
        self._connect_timeout = connect_timeout
        # It takes 35 ms to make (measured), and nothing without TLS ever asks for it.
        secure = origin.scheme == "https" or (proxy is not None and proxy.scheme == "https")
        self._context = _context() if secure else None

    async def dial(self) -> Connection:
        """Raises httpx2.ConnectTimeout, ConnectError and ProxyError."""
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await (self._directly() if self._proxy is None else self._through(self._proxy))
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("nobody answered in time") from error
        except OSError as error:
            raise httpx2.ConnectError(type(error).__name__) from error

    async def _directly(self) -> Connection:
        connection = await _opened(self._origin.host, self._origin.port)
        if self._origin.scheme == "https":
            await self._secure(connection, self._origin.host)
        return connection

    async def _through(self, proxy: Proxy) -> Connection:
        connection = await self._reach(proxy)
        if self._origin.scheme == "https":
            await self._tunnel(connection, proxy)
            await self._secure(connection, self._origin.host)
        return connection

    async def _reach(self, proxy: Proxy) -> Connection:
        if proxy.scheme not in _PORTS or not proxy.host:
            raise httpx2.ProxyError("only proxies that speak HTTP are known here")
        try:
            connection = await _opened(proxy.host, proxy.port)
            if proxy.scheme == "https":
                await self._secure(connection, proxy.host)
        except TimeoutError:
            raise
        except OSError as error:
            raise httpx2.ProxyError(type(error).__name__) from error
        return connection

    async def _tunnel(self, connection: Connection, proxy: Proxy) -> None:
        host = f"[{self._origin.host}]" if ":" in self._origin.host else self._origin.host
        target = f"{host}:{self._origin.port}".encode()
        head = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, target, proxy.authorization)
        try:
            answer = await connection.send("CONNECT", head)
        except httpx2.TransportError as error:
            raise httpx2.ProxyError("the proxy did not answer") from error
        if not 200 <= answer.status < 300 or answer.parts:
            connection.abort()
            raise httpx2.ProxyError(f"the proxy answered {answer.status}")

    async def _secure(self, connection: Connection, host: str) -> None:
        assert self._context is not None  # noqa: S101
        try:
            await connection.start_tls(self._context, host.rstrip("."))
        except BaseException:
            connection.abort()
            raise


async def _opened(host: str, port: int) -> Connection:
    sock = await connected(host, port)
    connection = Connection()
    try:
        await asyncio.get_running_loop().create_connection(lambda: connection, sock=sock)
    except BaseException:
        connection.abort()
        sock.close()
        raise
    return connection


def _context() -> ssl.SSLContext:
    """Verified as the environment says (SSL_CERT_FILE, SSL_CERT_DIR), else by the machine's own store."""
    context = httpx2.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
