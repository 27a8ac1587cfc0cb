"""A TCP connection to a name: by the address that answers first."""

import asyncio
import socket
from collections import deque
from collections.abc import Sequence
from itertools import chain, zip_longest

_NEXT_AFTER = 0.25
"""Seconds that an address has for itself, as RFC 8305 recommends; a host without a way to IPv6 costs no more."""

Address = tuple[socket.AddressFamily, tuple[object, ...]]


async def connected(host: str, port: int) -> socket.socket:
    """Raises OSError."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except UnicodeError as error:
        raise OSError("no name of a host") from error
    addresses = _alternating([(family, address) for family, _, _, _, address in found])
    return await first_connected(addresses)


async def first_connected(addresses: Sequence[Address]) -> socket.socket:
    """To whichever answers first, the earlier ones having a start. Raises OSError."""
    if len(addresses) == 1:
        return await _connected(*addresses[0], [])
    waiting = deque(addresses)
    opened: list[socket.socket] = []
    trying: set[asyncio.Task[socket.socket]] = set()
    error: BaseException = OSError("the name has no address")
    winner = None
    try:
        while waiting or trying:
            if waiting:
                trying.add(asyncio.create_task(_connected(*waiting.popleft(), opened)))
            done, trying = await asyncio.wait(
                trying, timeout=_NEXT_AFTER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if task.exception() is None:
                    winner = task.result()
                    return winner
                error = task.exception() or error
        raise error
    finally:
        for task in trying:
            task.cancel()
        await asyncio.gather(*trying, return_exceptions=True)
        for sock in opened:
            if sock is not winner:
                sock.close()


async def _connected(
    family: socket.AddressFamily, address: tuple[object, ...], opened: list[socket.socket]
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.append(sock)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _alternating(addresses: list[Address]) -> list[Address]:
    """The first one's family by turns with the other."""
    mine = [it for it in addresses if it[0] == addresses[0][0]]
    others = [it for it in addresses if it[0] != addresses[0][0]]
    return [it for it in chain.from_iterable(zip_longest(mine, others)) if it is not None]
