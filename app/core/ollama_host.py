"""OLLAMA_HOST, the variable that tells Ollama's own programs where its server is."""

import re
from ipaddress import ip_address

_FORM = re.compile(
    r"((?P<scheme>https?)://)?(?P<host>\[[0-9a-f:.%]+\]|[^\s:/?#@\[\]]*)(:(?P<port>\d{1,5}))?(/\S*)?", re.IGNORECASE
)
_PORT = "11434"


def parse_ollama_host(value: str) -> str:
    """The server's base URL, from `host`, `host:port`, `:port` or a URL. Raises ValueError.

    A server that listens on every address is looked for on this machine. A path is left out: it leads to something that
    stands in for an Ollama, as this program does itself, and none of those is to be discovered.
    """
    found = _FORM.fullmatch(value.strip())
    if found is None:
        raise ValueError("the address of an Ollama looks like 127.0.0.1:11434 or http://host:11434")
    scheme, host, port = found.group("scheme", "host", "port")
    if port is None and scheme is None:
        port = _PORT
    return f"{(scheme or 'http').lower()}://{_reachable(host.lower())}" + (f":{port}" if port else "")


def _reachable(host: str) -> str:
    try:
        everywhere = ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        everywhere = not host
    return "127.0.0.1" if everywhere else host
