"""Ports for servers that take theirs later than a test has to know it, or let go of it and take it again."""

import os
import secrets
import socket
from collections import deque

_EACH = 1500
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
# Below those that systems give to whoever asks for any: between a look and its use such a port went to somebody else,
# who answered in the server's place.
_PORTS = deque(range(20_000 + _WORKER * _EACH, 20_000 + (_WORKER + 1) * _EACH))
_PORTS.rotate(secrets.randbelow(_EACH))


def free_port() -> int:
    """One on 127.0.0.1 that nobody listens on, and that no other worker and no other call will be told of soon."""
    for _ in range(_EACH):
        _PORTS.rotate(-1)
        try:
            with socket.create_server(("127.0.0.1", _PORTS[0])):
                return _PORTS[0]
        except OSError:
            continue
    raise RuntimeError("no port is free")
