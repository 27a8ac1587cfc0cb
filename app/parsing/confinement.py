"""What the child takes from itself before it looks at a document that somebody else has made."""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_NICE = 10
"""Whoever waits for an answer comes first."""


def confine(memory: int, seconds: float, *, children: bool) -> None:
    """From now on: no file written, no core, no connection made, no child unless `children`, so many bytes of address
    space and seconds of CPU.

    `RLIMIT_NPROC` does not bind root, and macOS takes no `RLIMIT_AS`: these are walls behind walls.
    """
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, 64)
    _lower(resource.RLIMIT_AS, memory)
    _lower(resource.RLIMIT_CPU, int(seconds) + 1)
    if not children:
        _lower(resource.RLIMIT_NPROC, 0)
    sys.addaudithook(_no_network)
    os.nice(_NICE)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def grant(seconds: float) -> None:
    """So many seconds of CPU from now on for what comes next, within those for all: then the kernel ends the child."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _lower(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    try:
        resource.setrlimit(what, (most, most))
    except (OSError, ValueError):  # this system does not know it
        return


def _no_network(event: str, _: tuple[object, ...]) -> None:
    if event == "socket.__new__":
        raise PermissionError("reading a document opens no connection")
