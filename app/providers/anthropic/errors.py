"""What Anthropic's protocol and SDK call an error, in our words."""

from collections.abc import Mapping
from typing import Any

import anthropic

from app.domain.failures import GenerationFailure
from app.providers import verdicts
from app.providers.verdicts import Verdict

# `type` of an error object, where it says more than the status does; `invalid_request_error` and `api_error` do not.
_BY_TYPE = {
    "authentication_error": verdicts.AUTH,
    "permission_error": verdicts.AUTH,
    "billing_error": verdicts.SPENT,
    "not_found_error": verdicts.UNKNOWN_MODEL,
    "request_too_large": verdicts.TOO_LONG,
    "rate_limit_error": verdicts.LIMITED,
    "timeout_error": verdicts.TIMEOUT,
    "overloaded_error": verdicts.OVERLOADED,
}
# `details.error_code`, which names the cause.
_BY_CODE = {
    "contract_spend_limit_reached": verdicts.SPENT,
    "enforced_spend_limit_reached": verdicts.SPENT,
    "linked_organization_spend_limit_reached": verdicts.SPENT,
    "organization_on_hold": verdicts.AUTH,  # disabled, and not for money
    "image_dimensions_too_large": verdicts.UNREADABLE,
}
# There is no code for these yet, only a sentence.
_BY_HINT = {
    "prompt is too long": verdicts.TOO_LONG,
    "exceed context limit": verdicts.TOO_LONG,
    "context window": verdicts.TOO_LONG,
    "maximum context length": verdicts.TOO_LONG,
    "credit balance is too low": verdicts.SPENT,
    "api usage limits": verdicts.SPENT,
    "could not process image": verdicts.UNREADABLE,
    "could not process pdf": verdicts.UNREADABLE,
    "pdf specified was not valid": verdicts.UNREADABLE,
}
_HINTED_STATUS = (None, 400, 402, 413, 422, 429)


def failure_of(error: anthropic.AnthropicError) -> GenerationFailure:
    """For whatever the SDK raises."""
    if isinstance(error, anthropic.APITimeoutError):
        return verdicts.TIMEOUT.failure()
    if isinstance(error, anthropic.APIConnectionError):
        # The SDK gives this name to all that goes wrong: a key that no header can hold was never sent.
        unsendable = isinstance(error.__cause__, ValueError)
        return (verdicts.REJECTED if unsendable else verdicts.UNREACHABLE).failure()
    if isinstance(error, anthropic.APIStatusError):
        wait = verdicts.retry_after(error.response.headers)
        return _judge(_fields(error.body).get("error"), error.status_code).failure(wait)
    if isinstance(error, anthropic.CredentialsError):
        return verdicts.AUTH.failure()
    if isinstance(error, anthropic.RetryableError):
        return verdicts.FAILED.failure()
    return verdicts.PROTOCOL.failure()


def reported(error: object) -> GenerationFailure:
    """For the decoded value of `error` in a stream or in an answer of status 200."""
    return _judge(error, None).failure()


def _judge(error: object, status: int | None) -> Verdict:
    fields = _fields(error)
    code = _fields(fields.get("details")).get("error_code")
    if isinstance(code, str) and code in _BY_CODE:
        return _BY_CODE[code]
    if status in _HINTED_STATUS:
        said = str(error)[:4096].lower()
        for hint, verdict in _BY_HINT.items():
            if hint in said:
                return verdict
    kind = str(fields.get("type"))
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if status is not None:
        return verdicts.of_status(status)
    return verdicts.REJECTED if kind == "invalid_request_error" else verdicts.FAILED


def _fields(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
