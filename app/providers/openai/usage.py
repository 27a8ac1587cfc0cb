"""The tokens that OpenAI's protocols report, made sane; None where it is no report at all."""

import msgspec
from msgspec import Raw, Struct

from app.domain.events import Usage

_MAX_TOKENS = 2**31 - 1


class _InputDetails(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(Struct):
    reasoning_tokens: int | None = None


class _Chat(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _Response(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


def of_chat(raw: Raw) -> Usage | None:
    try:
        told = msgspec.json.decode(raw, type=_Chat)
    except (ValueError, RecursionError):
        return None
    into, out = told.prompt_tokens_details, told.completion_tokens_details
    return _usage(told.prompt_tokens, told.completion_tokens, into, out)


def of_response(raw: Raw) -> Usage | None:
    try:
        told = msgspec.json.decode(raw, type=_Response)
    except (ValueError, RecursionError):
        return None
    return _usage(told.input_tokens, told.output_tokens, told.input_tokens_details, told.output_tokens_details)


def _usage(
    inputs: int | None, outputs: int | None, into: _InputDetails | None, out: _OutputDetails | None
) -> Usage | None:
    if inputs is None and outputs is None:
        return None
    inputs, outputs = _count(inputs, _MAX_TOKENS), _count(outputs, _MAX_TOKENS)
    cached = _count(into.cached_tokens if into else None, inputs)
    return Usage(
        inputs,
        outputs,
        cached_input_tokens=cached,
        reasoning_tokens=_count(out.reasoning_tokens if out else None, outputs),
        cache_write_tokens=_count(into.cache_write_tokens if into else None, inputs - cached),
    )


def _count(value: int | None, limit: int) -> int:
    return min(max(value or 0, 0), limit)
