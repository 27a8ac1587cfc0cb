"""Structured logs: one line of JSON an entry, to stderr, without what users wrote.

An exception is logged as its type and its stack, never as its message: messages of libraries quote statements, URLs
with keys and what users sent.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TextIO

from app.core.errors import AppError
from app.core.serving import request_id

OURS = "app"
# Some of these set a level of their own when an environment variable says so, and then log bodies and headers.
CHATTY = ("aiosqlite", "anthropic", "asyncio", "httpcore", "httpx", "httpx2", "openai", "sqlalchemy")
# A field of an entry that `logging` itself sets, rather than the caller by `extra`.
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
FRAMES = 50
_CAUSES = 5


def configure_logging(level: str, stream: TextIO | None = None, *, worker: int | None = None) -> None:
    """Send all logs through one handler: ours from `level` on, those of libraries from WARNING on at the least.

    `worker` is told by each entry, where there are several.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(worker))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger(OURS).setLevel(threshold)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    # uvicorn brings handlers of its own, and an access log that shows query strings; ours is the middleware's.
    for name, lowest in (("uvicorn", threshold), ("uvicorn.error", threshold), ("uvicorn.access", logging.CRITICAL)):
        server = logging.getLogger(name)
        server.handlers.clear()
        server.propagate = True
        server.setLevel(lowest)
    # What cannot be logged is dropped; the default prints it as it is, arguments included.
    logging.raiseExceptions = False


class JsonFormatter(logging.Formatter):
    """An entry as one line of ASCII: what users wrote cannot forge another line or move a terminal's cursor."""

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._fixed = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "request_id": request_id(),
            **self._fixed,
        }
        entry.update((name, value) for name, value in record.__dict__.items() if name not in _STANDARD)
        if record.exc_info and record.exc_info[1]:
            entry["exception"] = describe(record.exc_info[1])
        return json.dumps(entry, default=_type_name, skipkeys=True)


def describe(error: BaseException) -> Mapping[str, Any]:
    """An exception without its message: type, code if it is ours, innermost frames, and the same of its causes."""
    first, *causes = islice(_chain(error), _CAUSES)
    return _bare(first) | ({"causes": [_bare(cause) for cause in causes]} if causes else {})


def causes(error: BaseException) -> Sequence[str]:
    """What an exception was caused by, as types alone: stacks cost a tenth of an instance that refuses what it can."""
    return [_type_name(cause) for cause in islice(_chain(error), 1, _CAUSES)]


def stack_lines(frames: Sequence[traceback.FrameSummary]) -> list[str]:
    """The innermost frames as `file:line function`: never a line of source, never the value of a variable."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-FRAMES:]]


def _bare(error: BaseException) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": _type_name(error)}
    if isinstance(error, AppError):
        entry["code"] = error.code
    entry["stack"] = stack_lines(traceback.extract_tb(error.__traceback__))
    return entry


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then what caused it; of a group, its members."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)
        if cause := current.__cause__ or (None if current.__suppress_context__ else current.__context__):
            waiting.append(cause)


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        message = str(record.msg)
    # After its first line asyncio dumps the failed task, and with it the exception's message.
    return message if record.name.split(".")[0] == OURS else message.partition("\n")[0]


def _type_name(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
