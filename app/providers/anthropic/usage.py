"""What an answer of Anthropic's used, told in parts while it is written."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from app.domain.events import Prompted, Usage

_MAX_TOKENS = 2**31 - 1


class _OutputDetails(Struct):
    thinking_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class Counts:
    """Tokens as they are told: at first those of the prompt, at the end all; each count never falls."""

    __slots__ = ("_creation", "_input", "_output", "_read", "_thinking")

    def __init__(self) -> None:
        self._input = self._creation = self._read = self._output = self._thinking = 0

    def begin(self, raw: Raw) -> Sequence[Prompted]:
        """What is known of the prompt with this report, which may be nothing; of the answer it is preliminary."""
        self.add(raw)
        used = self._usage()
        told = Prompted(used.input_tokens, used.cached_input_tokens, used.cache_write_tokens)
        return [told] if used.input_tokens else []

    def add(self, raw: Raw) -> Usage | None:
        """What is known with this report; None where it is no report of what was written."""
        try:
            told = msgspec.json.decode(raw, type=_Usage)
        except (ValueError, RecursionError):  # also where there is none
            return None
        details = told.output_tokens_details
        self._input = max(self._input, told.input_tokens or 0)
        self._creation = max(self._creation, told.cache_creation_input_tokens or 0)
        self._read = max(self._read, told.cache_read_input_tokens or 0)
        self._output = max(self._output, told.output_tokens or 0)
        self._thinking = max(self._thinking, (details.thinking_tokens if details else None) or 0)
        return None if told.output_tokens is None else self._usage()

    def _usage(self) -> Usage:
        inputs = min(self._input + self._creation + self._read, _MAX_TOKENS)
        outputs = min(self._output, _MAX_TOKENS)
        cached = min(self._read, inputs)
        return Usage(
            inputs,
            outputs,
            cached_input_tokens=cached,
            reasoning_tokens=min(self._thinking, outputs),
            cache_write_tokens=min(self._creation, inputs - cached),
        )
