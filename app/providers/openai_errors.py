"""What OpenAI's protocol and SDK call an error, in our words; the vendor's own text is read, never passed on."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import NamedTuple

import openai
from httpx2 import Headers

from app.domain.failures import FailureCode, GenerationFailure


class Verdict(NamedTuple):
    code: FailureCode
    detail: str
    retryable: bool = False
    transient: bool = False


_AUTH = Verdict(FailureCode.UPSTREAM_AUTH, "The provider refused our credentials.")
_UNKNOWN_MODEL = Verdict(FailureCode.UPSTREAM_ERROR, "The provider does not know this model.")
_REJECTED = Verdict(FailureCode.UPSTREAM_ERROR, "The provider rejected the request.")
_TOO_LONG = Verdict(FailureCode.CONTEXT_TOO_LONG, "The conversation is too long for this model.")
_REFUSED = Verdict(FailureCode.REFUSED, "The provider declined to answer this.")
_LIMITED = Verdict(FailureCode.UPSTREAM_RATE_LIMITED, "The provider limits how often we may ask.", True, True)
_SPENT = Verdict(FailureCode.UPSTREAM_RATE_LIMITED, "The account at the provider has no credit left.", True)
_FAILED = Verdict(FailureCode.UPSTREAM_ERROR, "The provider had an internal error.", True, True)
_OVERLOADED = Verdict(FailureCode.UPSTREAM_OVERLOADED, "The provider is overloaded.", True, True)
_UNREACHABLE = Verdict(FailureCode.UPSTREAM_ERROR, "The provider could not be reached.", True, True)
_TIMEOUT = Verdict(FailureCode.UPSTREAM_TIMEOUT, "The provider did not answer in time.", True, True)
_PROTOCOL = Verdict(FailureCode.UPSTREAM_PROTOCOL, "The provider's answer could not be understood.", True)

# `code` or `type` of an error object, where it says more than the status does.
_BY_WORD = {
    "context_length_exceeded": _TOO_LONG,
    "insufficient_quota": _SPENT,
    "insufficient_balance": _SPENT,
    "billing_hard_limit_reached": _SPENT,
    "billing_not_active": _SPENT,
    "model_not_found": _UNKNOWN_MODEL,
    "content_filter": _REFUSED,
    "content_policy_violation": _REFUSED,
    "invalid_api_key": _AUTH,
    "authentication_error": _AUTH,
    "rate_limit_exceeded": _LIMITED,
    "rate_limit_error": _LIMITED,
    "overloaded_error": _OVERLOADED,
}
_BY_STATUS = {
    400: _REJECTED,
    401: _AUTH,
    402: _SPENT,
    403: _AUTH,
    404: _UNKNOWN_MODEL,
    408: _TIMEOUT,
    409: _FAILED,
    413: _TOO_LONG,
    422: _REJECTED,
    429: _LIMITED,
    500: _FAILED,
    502: _FAILED,
    503: _OVERLOADED,
    504: _FAILED,
    529: _OVERLOADED,
}
# DeepSeek and vLLM have no code for this, only a sentence.
_TOO_LONG_HINTS = ("maximum context length", "context_length", "context window", "reduce the length")


def failure_of(error: openai.OpenAIError) -> GenerationFailure:
    """For whatever the SDK raises."""
    if isinstance(error, openai.APITimeoutError):
        return _failure(_TIMEOUT)
    if isinstance(error, openai.APIConnectionError):
        return _failure(_UNREACHABLE)
    if isinstance(error, openai.APIStatusError):
        return _failure(_judge(error.body, error.status_code), retry_after(error.response.headers))
    if isinstance(error, openai.APIError) and not isinstance(error, openai.APIResponseValidationError):
        return reported(error.body)
    return _failure(_PROTOCOL)


def reported(error: object) -> GenerationFailure:
    """For the decoded value of `error` in a stream or in an answer of status 200."""
    return _failure(_judge(error, None))


def misunderstood() -> GenerationFailure:
    """For an answer that is not of this protocol."""
    return _failure(_PROTOCOL)


def refused() -> GenerationFailure:
    return _failure(_REFUSED)


def overloaded() -> GenerationFailure:
    return _failure(_OVERLOADED)


def unsendable() -> GenerationFailure:
    """For a request that cannot be spelled: a key or a text with characters that no request may hold."""
    return _failure(_REJECTED)


def retry_after(headers: Headers) -> float | None:
    """The seconds that the upstream asks for: `retry-after-ms`, or `Retry-After` as seconds or a date."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) / scale
        except ValueError:
            continue
        if isfinite(seconds):
            return max(0.0, seconds)
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _judge(error: object, status: int | None) -> Verdict:
    fields = error if isinstance(error, Mapping) else {}
    words = [str(fields.get(name)) for name in ("code", "type")]
    for word in words:
        if word in _BY_WORD:
            return _BY_WORD[word]
    if status is None and re.fullmatch("[345][0-9][0-9]", words[0]):
        status = int(words[0])  # vLLM reports the status as the code
    if status in (None, 400, 413, 422) and any(hint in str(error)[:4096].lower() for hint in _TOO_LONG_HINTS):
        return _TOO_LONG
    if status is None:
        return _REJECTED if words[1] == "invalid_request_error" else _FAILED
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return _FAILED if status >= 500 else _REJECTED if status >= 400 else _PROTOCOL


def _failure(verdict: Verdict, wait: float | None = None) -> GenerationFailure:
    code, detail, retryable, transient = verdict
    return GenerationFailure(code, detail, retryable=retryable, transient=transient, retry_after=wait)
