"""The calls of tools in a line of Ollama's chat stream, where each comes whole."""

import json
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from app.domain.events import ProviderEvent, ToolCallDelta, ToolCallStart
from app.domain.text import encode
from app.providers.raw_json import NULL, given, loads
from app.providers.verdicts import PROTOCOL


class _Function(Struct):
    name: str
    arguments: Raw = NULL


class _Call(Struct):
    """Old servers, and those that only speak the protocol, give no ids."""

    function: _Function
    id: str | None = None


class _LooseFunction(Struct):
    name: str
    arguments: Any = None


class _LooseCall(Struct):
    function: _LooseFunction
    id: str | None = None


def called(raw: Raw, first: int) -> Sequence[ProviderEvent]:
    """The events of all calls of one line, of which `first` is the number. Raises GenerationFailure for no calls."""
    if not given(raw):
        return ()
    events: list[ProviderEvent] = []
    for index, call in enumerate(_calls(raw), first):
        call_id = _plain(call.id or "") or f"call_{secrets.token_hex(12)}"
        events.append(ToolCallStart(index, call_id, _plain(call.function.name)))
        events.append(ToolCallDelta(index, encode(_arguments(call.function.arguments))))
    return events


def _calls(raw: Raw) -> Sequence[_Call]:
    try:
        return msgspec.json.decode(raw, type=list[_Call])
    except (ValueError, RecursionError):
        pass
    try:
        loose = msgspec.convert(loads(bytes(raw)), list[_LooseCall])
        return [_Call(_Function(call.function.name, _dumps(call.function.arguments)), call.id) for call in loose]
    except ValueError as error:
        raise PROTOCOL.failure() from error


def _arguments(raw: Raw) -> str:
    """Their JSON text, as it was sent where that is an object; some send a text that holds one, as OpenAI does."""
    if not given(raw):
        return "{}"
    try:
        msgspec.json.decode(raw, type=dict[str, Any])
        return bytes(raw).decode()
    except (ValueError, RecursionError):
        value = loads(bytes(raw))
    if isinstance(value, str):
        value = loads(value.encode(errors="replace"))
    if not isinstance(value, dict):
        raise PROTOCOL.failure()
    return bytes(_dumps(value)).decode()


def _dumps(value: object) -> Raw:
    """Half a surrogate pair becomes a question mark: nobody could read the text that holds it."""
    return Raw(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def _plain(name: str) -> str:
    """Without control characters and lone surrogates."""
    return "".join(letter for letter in name if letter.isprintable())
