"""What OpenAI's protocol and SDK call an error, in our words."""

import re
from collections.abc import Mapping

import httpx2
import msgspec
import openai

from app.domain.failures import GenerationFailure
from app.providers import verdicts
from app.providers.verdicts import Verdict

_NO_IMAGE = (
    "empty_image_file",
    "failed_to_download_image",
    "image_file_not_found",
    "image_file_too_large",
    "image_parse_error",
    "image_too_large",
    "image_too_small",
    "invalid_base64_image",
    "invalid_image",
    "invalid_image_format",
    "invalid_image_mode",
    "invalid_image_url",
    "unsupported_image_media_type",
)
# `code` or `type` of an error object, where it says more than the status does.
_BY_WORD = {
    "context_length_exceeded": verdicts.TOO_LONG,
    "insufficient_quota": verdicts.SPENT,
    "insufficient_balance": verdicts.SPENT,
    "credit_balance_exhausted": verdicts.SPENT,
    "organization_spend_limit_exceeded": verdicts.SPENT,
    "organization_usage_limit_exceeded": verdicts.SPENT,
    "project_spend_limit_exceeded": verdicts.SPENT,
    "billing_hard_limit_reached": verdicts.SPENT,
    "billing_not_active": verdicts.SPENT,
    "model_not_found": verdicts.UNKNOWN_MODEL,
    "content_filter": verdicts.REFUSED,
    "content_policy_violation": verdicts.REFUSED,
    "image_content_policy_violation": verdicts.REFUSED,
    "misalignment_policy_violation": verdicts.REFUSED,
    "bio_policy": verdicts.REFUSED,
    "invalid_prompt": verdicts.REFUSED,  # one that was flagged
    "invalid_api_key": verdicts.AUTH,
    "authentication_error": verdicts.AUTH,
    "rate_limit_exceeded": verdicts.LIMITED,
    "rate_limit_error": verdicts.LIMITED,
    "slow_down": verdicts.LIMITED,
    "overloaded_error": verdicts.OVERLOADED,
    "server_is_overloaded": verdicts.OVERLOADED,
    "service_unavailable_error": verdicts.OVERLOADED,
    **dict.fromkeys(_NO_IMAGE, verdicts.UNREADABLE),
}
# DeepSeek and vLLM have no code for this, only a sentence.
_TOO_LONG_HINTS = ("maximum context length", "context_length", "context window", "reduce the length")


def failure_of(error: openai.OpenAIError) -> GenerationFailure:
    """For whatever the SDK raises."""
    if isinstance(error, openai.APITimeoutError):
        return verdicts.TIMEOUT.failure()
    if isinstance(error, openai.APIConnectionError):
        return verdicts.UNREACHABLE.failure()
    if isinstance(error, openai.APIStatusError):
        wait = verdicts.retry_after(error.response.headers)
        return _judge(error.body, error.status_code).failure(wait)
    if isinstance(error, openai.APIError) and not isinstance(error, openai.APIResponseValidationError):
        return reported(error.body)
    return verdicts.PROTOCOL.failure()


def refused(response: httpx2.Response) -> GenerationFailure:
    """For an answer with the status of an error that the SDK has not seen, and whose page was read."""
    try:
        page = msgspec.json.decode(response.content)
    except (ValueError, RecursionError):
        page = None
    error = page.get("error", page) if isinstance(page, Mapping) else page
    return _judge(error, response.status_code).failure(verdicts.retry_after(response.headers))


def reported(error: object) -> GenerationFailure:
    """For the decoded value of `error` in a stream or in an answer of status 200."""
    return _judge(error, None).failure()


def _judge(error: object, status: int | None) -> Verdict:
    fields = error if isinstance(error, Mapping) else {}
    words = [str(fields.get(name)) for name in ("code", "type")]
    for word in words:
        if word in _BY_WORD:
            return _BY_WORD[word]
    if status is None and re.fullmatch("[345][0-9][0-9]", words[0]):
        status = int(words[0])  # vLLM reports the status as the code
    if status in (None, 400, 413, 422) and any(hint in str(error)[:4096].lower() for hint in _TOO_LONG_HINTS):
        return verdicts.TOO_LONG
    if status is None:
        return verdicts.REJECTED if words[1] == "invalid_request_error" else verdicts.FAILED
    return verdicts.of_status(status)
