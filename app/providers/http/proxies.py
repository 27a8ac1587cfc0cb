"""The proxy that the environment names for an address."""

from base64 import b64encode
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

_PORTS = {"http": 80, "https": 443}


class Proxy(NamedTuple):
    """`authorization` is the line of a head that carries the credentials, or empty."""

    scheme: str
    host: str
    port: int
    authorization: bytes


def proxy_for(base_url: str) -> Proxy | None:
    """What HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say for this address; none leads to this machine itself."""
    parts = urlsplit(base_url)
    proxies = getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    if not named or proxy_bypass(parts.netloc.rpartition("@")[2]) or _is_here(parts.hostname or ""):
        return None
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    try:
        port = proxy.port or _PORTS.get(proxy.scheme, 0)
    except ValueError:
        return Proxy("", "", 0, b"")  # which nobody can reach
    return Proxy(proxy.scheme, proxy.hostname or "", port, _authorization(proxy.username, proxy.password))


def basic(username: str, password: str) -> bytes:
    """The value of a header that carries them."""
    return b"Basic " + b64encode(f"{username}:{password}".encode())


def _authorization(username: str | None, password: str | None) -> bytes:
    if username is None:
        return b""
    return b"Proxy-Authorization: %b\r\n" % basic(unquote(username), unquote(password or ""))


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
