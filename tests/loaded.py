"""A program that has loaded the app, and forks at each word: what comes out of it does as `python -m app.main` does.

To load it costs two seconds of a processor, and the tests start it more than a hundred times. Nothing is begun here, so
that a fork has only what imports leave behind; its settings are the ones of its own environment.
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack

import app.generation.shared_publishing  # and what else is loaded only where a setting asks for it
import app.stores.redis_signals
import app.stores.redis_streams
import app.stores.shared
import app.stores.shared_slots  # noqa: F401
from app.main import run

_LONGEST = 1 << 17


def main() -> None:
    """Fork for whoever is at the other end of the line, until that one goes."""
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as line:
        environment = _Forks(line).until_forked()
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(tempfile.gettempdir())  # not here, where a developer may have a .env
        sys.argv[1:] = []
        run()


class _Forks:
    """Each is asked for with its environment and two descriptors: for its output, and for what is told of it: its
    number, and when it has ended its exit code, as lines.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._told: dict[int, int] = {}

    def until_forked(self) -> Mapping[str, str] | None:
        """Answers in each fork, with its environment; and with None where no more are wanted."""
        with ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            woken, waking = (stack.enter_context(end) for end in socket.socketpair())
            waking.setblocking(False)
            signal.set_wakeup_fd(waking.fileno())
            signal.signal(signal.SIGCHLD, lambda *_: None)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # which is for the forks, and for whoever asks for them
            selector.register(self._line, selectors.EVENT_READ, self._fork)
            selector.register(woken, selectors.EVENT_READ, lambda: self._reap(woken))
            try:
                while True:
                    for key, _ in selector.select():
                        environment: Mapping[str, str] | None = key.data()
                        if environment is not None:
                            return environment
            except EOFError:
                for pid in self._told:
                    os.kill(pid, signal.SIGKILL)
                return None
            finally:
                signal.set_wakeup_fd(-1)

    def _fork(self) -> Mapping[str, str] | None:
        asked, descriptors, _, _ = socket.recv_fds(self._line, _LONGEST, 2)
        if not asked:
            raise EOFError
        output, told = descriptors
        pid = os.fork()
        if pid:
            os.close(output)
            os.write(told, b"%d\n" % pid)
            self._told[pid] = told
            return None
        for descriptor in (told, *self._told.values()):
            os.close(descriptor)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for standard in (1, 2):
            os.dup2(output, standard)
        os.close(output)
        environment: Mapping[str, str] = json.loads(asked)
        return environment

    def _reap(self, woken: socket.socket) -> None:
        woken.recv(256)
        for pid, told in list(self._told.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
                os.close(told)
                del self._told[pid]


if __name__ == "__main__":
    main()
