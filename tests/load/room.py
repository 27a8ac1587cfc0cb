"""Whether this machine lets so many connections be open, and what to do where it does not."""

import resource
from pathlib import Path

_BESIDE = 500
"""Files of a worker that are no streams: its database, its log, the sockets that it listens on."""


def missing(streams: int) -> str | None:
    """What has to be done before so many streams can be relayed by one process: each takes two of its files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * streams + _BESIDE
    if files < needed:
        return (
            f"{streams:,} streams take {needed:,} open files in one process, and {files:,} are allowed: "
            f"`ulimit -n {needed}` first (as root, or with a higher hard limit), or "
            f"`--streams {(files - _BESIDE) // 2}`."
        )
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = last - first + 1
    if ports < streams + _BESIDE:
        return (
            f"{streams:,} connections to one address need as many ports, and there are {ports:,}: "
            "`sysctl -w net.ipv4.ip_local_port_range='15000 65000'` first, or fewer --streams."
        )
    return None
