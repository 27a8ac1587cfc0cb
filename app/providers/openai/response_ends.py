"""What the last event of OpenAI's Responses stream says of the whole: why it ended, and what it used."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from app.domain.events import Usage
from app.domain.failures import GenerationFailure
from app.providers.openai import errors, usage
from app.providers.raw_json import NULL, dumps, given, loads
from app.providers.verdicts import PROTOCOL


class _Incomplete(Struct):
    reason: str | None = None


class _Ended(Struct):
    """`error` is of one that failed, `incomplete_details` of one that was cut short."""

    usage: Raw = NULL
    error: Raw = NULL
    incomplete_details: _Incomplete | None = None


class _LooselyEnded(Struct):
    usage: Any = None
    error: Any = None
    incomplete_details: Any = None


_decode = msgspec.json.Decoder(_Ended).decode


class End:
    """The end as `response` of the last event tells it. Raises GenerationFailure for what is none."""

    __slots__ = ("_ended",)

    def __init__(self, response: Raw) -> None:
        self._ended = _read(response) if given(response) else _Ended()

    @property
    def usage(self) -> Usage | None:
        return usage.of_response(self._ended.usage) if given(self._ended.usage) else None

    @property
    def filtered(self) -> bool:
        """Whether what was written was kept back."""
        details = self._ended.incomplete_details
        return details is not None and details.reason == "content_filter"

    @property
    def failure(self) -> GenerationFailure:
        return errors.reported(loads(bytes(self._ended.error)))


def _read(response: Raw) -> _Ended:
    try:
        return _decode(response)
    except (ValueError, RecursionError):
        return _loosely(loads(bytes(response)))


def _loosely(response: Any) -> _Ended:
    try:
        loose = msgspec.convert(response, _LooselyEnded)
    except ValueError as error:  # of another shape, or half a surrogate pair in a name
        raise PROTOCOL.failure() from error
    details = loose.incomplete_details
    reason = details.get("reason") if isinstance(details, dict) else None
    incomplete = _Incomplete(reason if isinstance(reason, str) else None)
    return _Ended(dumps(loose.usage), dumps(loose.error), incomplete)
