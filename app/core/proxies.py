"""Where a request comes from, told by the proxies in front of us: TRUSTED_PROXIES, and what their headers say."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
RawHeaders = Iterable[tuple[bytes, bytes]]

_MOST_HOPS = 32
"""Of X-Forwarded-For; what is further from us than that, no proxy of ours has vouched for."""
_MAPPED = IPv6Network("::ffff:0:0/96")


class TrustedProxies:
    """Whose word is taken. A header of anybody else says nothing, and none trusted means that none ever does."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def trusts(self, peer: str) -> bool:
        """Whether a connection from this address is one of a proxy of ours."""
        return bool(self._networks) and (address := parse_address(peer)) is not None and self._holds(address)

    def client(self, headers: RawHeaders) -> str | None:
        """The client's address as a trusted proxy tells it; None where it does not.

        `Fly-Client-IP`, which Fly's proxy sets anew, else the last of `X-Forwarded-For` that is no proxy of ours:
        each proxy appends whom it has heard from, so what stands before that one may be anybody's invention. Nor does
        anybody come from loopback by way of a proxy: what is open to this host alone would be open to all.
        """
        headers = list(headers)
        fly = _values(headers, b"fly-client-ip")
        if len(fly) == 1 and (address := parse_address(fly[0])) is not None and not address.is_loopback:
            return str(address)
        hops = ",".join(_values(headers, b"x-forwarded-for")).split(",")
        for hop in islice(filter(str.strip, reversed(hops)), _MOST_HOPS):
            if (address := parse_address(hop)) is None:
                break
            if not self._holds(address):
                return None if address.is_loopback else str(address)
        return None

    def scheme(self, headers: RawHeaders) -> str | None:
        """`http` or `https`, as a trusted proxy has it from its client; None where it does not say."""
        told = [value.strip().lower() for value in _values(headers, b"x-forwarded-proto")]
        return told[0] if told in (["http"], ["https"]) else None

    def _holds(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def parse_address(text: str) -> Address | None:
    """An address as headers and sockets spell it, with a port or without; None for what is none.

    IPv4 within IPv6 is the same client, and counts as IPv4.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or (None if address.scope_id else address)


def parse_network(text: str) -> Network:
    """An address or a network in CIDR notation. Raises ValueError with what is expected."""
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError("a proxy is an address or a network, like 10.0.0.7 or 172.16.0.0/12") from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


def _values(headers: RawHeaders, name: bytes) -> list[str]:
    return [value.decode("latin-1") for given, value in headers if given == name]
