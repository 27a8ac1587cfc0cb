"""Claims about the logs."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from app.core.errors import DatabaseUnavailable
from app.core.logging import JsonFormatter, causes, configure_logging
from app.core.serving import Serving, serving


class Written(io.StringIO):
    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def written() -> Iterator[Written]:
    """The logs as configured; everything is put back as it was."""
    loggers = [logging.getLogger(name) for name in (None, "app", "uvicorn", "uvicorn.error", "uvicorn.access")]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    raise_exceptions = logging.raiseExceptions
    stream = Written()
    configure_logging("info", stream)
    yield stream
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
    logging.raiseExceptions = raise_exceptions


def test_an_entry_is_one_line_with_its_fields_and_request(written: Written) -> None:
    token = serving.set(Serving("r-1"))
    logging.getLogger("app.chat").info(
        "started %s", "well", extra={"model": "m", "path": "/a\r\n{}\u2028\x1b[2J\ud800"}
    )
    serving.reset(token)
    (entry,) = written.entries
    assert entry["message"] == "started well"
    assert (entry["level"], entry["logger"], entry["request_id"], entry["model"]) == ("info", "app.chat", "r-1", "m")
    assert entry["path"] == "/a\r\n{}\u2028\x1b[2J\ud800"
    assert written.getvalue().isascii()
    assert entry["time"].endswith("+00:00")


def test_an_exception_is_logged_without_its_message(written: Written) -> None:
    try:
        try:
            raise ValueError("sk-secret")
        except ValueError as error:
            raise DatabaseUnavailable from error
    except DatabaseUnavailable:
        logging.getLogger("app").exception("failed")
    exception = written.entries[0]["exception"]
    assert exception["code"] == "database_unavailable"
    assert exception["causes"][0]["type"] == "builtins.ValueError"
    assert "test_logging.py" in exception["stack"][0]
    assert "sk-secret" not in written.getvalue()


def test_causes_are_told_by_their_types_alone() -> None:
    deepest, between = KeyError("sk-secret"), OSError("sk-secret")
    between.__cause__ = deepest
    error = DatabaseUnavailable()
    error.__cause__ = between
    assert causes(error) == ["builtins.OSError", "builtins.KeyError"]
    assert causes(DatabaseUnavailable()) == []


def test_members_of_a_group_are_named(written: Written) -> None:
    try:
        raise ExceptionGroup("sk-secret", [KeyError("sk-secret"), OSError("sk-secret")])
    except ExceptionGroup:
        logging.getLogger("app").exception("failed")
    assert [cause["type"] for cause in written.entries[0]["exception"]["causes"]] == [
        "builtins.KeyError",
        "builtins.OSError",
    ]
    assert "sk-secret" not in written.getvalue()


def test_libraries_are_heard_from_warning_on_and_their_dumps_cut(written: Written) -> None:
    for name in ("openai", "httpx2", "sqlalchemy.engine", "someone.else"):
        logging.getLogger(name).info("body: sk-secret")
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: ValueError('sk-secret')")
    assert [entry["message"] for entry in written.entries] == ["Task exception was never retrieved"]


def test_what_cannot_be_logged_is_not_printed_either(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("app").info("%d", "sk-secret")
    logging.getLogger("app").info("odd", extra={"value": object(), "map": {(1, 2): 3}})
    assert [entry["message"] for entry in written.entries] == ["%d", "odd"]
    assert written.entries[1]["value"] == "builtins.object"
    assert "sk-secret" not in capsys.readouterr().err + written.getvalue()


def test_the_formatter_needs_no_configuration() -> None:
    record = logging.makeLogRecord({"name": "x", "msg": "hello"})
    assert json.loads(JsonFormatter().format(record))["message"] == "hello"
