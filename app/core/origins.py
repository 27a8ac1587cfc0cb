"""Whether a browser sent a request from this site's own pages; the guard of the session cookie."""

from collections.abc import Mapping
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def same_origin(headers: Mapping[str, str]) -> bool:
    """Judge by what a page cannot forge; `headers` are looked up in lower case.

    `Sec-Fetch-Site` decides where the browser sends it, for it holds behind a proxy that rewrites `Host` too. Else
    `Origin`, else `Referer`, must name the host that was asked. None of them: no browser, hence no foreign page.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin == "null":
        return False
    if site is not None:
        return site in ("same-origin", "none")
    source = origin if origin is not None else headers.get("referer")
    return source is None or _names_host(source, headers.get("host", ""))


def _names_host(url: str, host: str) -> bool:
    try:
        parts = urlsplit(url.lower())
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or not parts.netloc:
        return False
    return parts.netloc.removesuffix(default) == host.lower().removesuffix(default)
