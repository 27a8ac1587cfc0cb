"""The engine's process: `python -m app.stores.vectors.child FOLDER`, begun by the service alone.

It does one thing after another, as it is asked on its standard input, and ends when that ends: nothing else has to tell
it that the service is gone. The engine holds Python's lock while it works, so it must not live where streams do.
"""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from app.stores.vectors import words
from app.stores.vectors.shelf import NotThere, Shelf

_SAVE_AFTER = 5.0
"""Seconds for which the machine's death may take writes along while there is much to do."""
_LULL = 0.5
_REST = 10.0
"""Seconds without a request: after the first all is saved; after the second it may take a while to tidy up."""
_NICENESS = 5
_SPARE_OTHERS = "500"


def main() -> None:
    # A Ctrl-C reaches every process of a terminal; when to go is the service's to say.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library may print is no answer
    _step_back()
    # Who is gone needs no answer; what was written is saved all the same.
    with suppress(BrokenPipeError), closing(Shelf(Path(sys.argv[1]))) as shelf, open(answers, "wb") as out:
        for asked in _requests(shelf):
            out.write(words.frame(words.Answered(asked.number, _answer(shelf, asked.request))))
            out.flush()
            shelf.save(older_than=_SAVE_AFTER)


def _step_back() -> None:
    """Behind the service, for the processor and where memory runs out: it can be begun again, and chats cannot."""
    with suppress(OSError):
        os.nice(_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_SPARE_OTHERS)


def _requests(shelf: Shelf) -> Iterator[words.Asked]:
    """Until nobody asks any more. In between it saves, and tidies up."""
    decoder = msgspec.msgpack.Decoder(words.Asked)
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as asking:
        while True:
            if not _asked_within(_LULL):
                shelf.save(older_than=0)
                if not _asked_within(_REST):
                    shelf.tidy()
                    shelf.save(older_than=0)
            head = _read(asking.fileno(), words.LENGTH.size)
            body = _read(asking.fileno(), words.LENGTH.unpack(head)[0]) if head else b""
            if not body:
                return
            yield decoder.decode(body)


def _asked_within(seconds: float) -> bool:
    return bool(select.select([sys.stdin.fileno()], [], [], seconds)[0])


def _read(descriptor: int, length: int) -> bytes:
    """So many bytes, or none where the line ends before."""
    pieces = bytearray()
    while len(pieces) < length:
        piece = os.read(descriptor, length - len(pieces))
        if not piece:
            return b""
        pieces += piece
    return bytes(pieces)


def _answer(shelf: Shelf, request: words.Request) -> words.Answer:
    try:
        return _do(shelf, request)
    except NotThere:
        return _answer_where_nothing_is(request)
    except Exception as error:  # the edge of this process; the engine raises nothing finer
        return words.Failed(f"{type(error).__name__}: {error}"[:300])


def _do(shelf: Shelf, request: words.Request) -> words.Answer:
    match request:
        case words.Ping():
            return words.Done()
        case words.Open(space, dimensions):
            shelf.open(space, dimensions)
            return words.Done()
        case words.Upsert(space, tenant, rows):
            shelf.shard(space).of(tenant).upsert(rows)
            return words.Done()
        case words.Delete(space, tenant, document):
            shelf.shard(space).of(tenant).delete(document)
            return words.Done()
        case words.Search(space, tenant):
            own = shelf.shard(space).of(tenant)
            return words.Hits(own.search_terms(request), own.search_dense(request))
        case words.Documents(space, tenant):
            return words.Counts(shelf.shard(space).of(tenant).documents())
        case words.Tenants(space):
            return words.Names(shelf.shard(space).tenants())
        case words.Spaces():
            return words.Names(shelf.names())
        case words.Drop(space):
            shelf.drop(space)
            return words.Done()


def _answer_where_nothing_is(request: words.Request) -> words.Answer:
    match request:
        case words.Delete():
            return words.Done()
        case words.Documents():
            return words.Counts({})
        case words.Tenants():
            return words.Names([])
        case _:
            return words.Failed("no such space is open")


if __name__ == "__main__":
    main()
