"""Every word that a vendor has for an error means something here; a word that an SDK adds has to be given a meaning."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import anthropic
import httpx2
import openai
import pytest
from anthropic.types.shared.error_details import ErrorDetails
from anthropic.types.shared.error_type import ErrorType
from openai.types.responses.response_error import ResponseError

from app.domain.failures import GenerationFailure
from app.providers.anthropic import errors as anthropic_errors
from app.providers.ollama import errors as ollama_errors
from app.providers.openai import errors as openai_errors
from app.providers.verdicts import (
    AUTH,
    FAILED,
    LIMITED,
    OVERLOADED,
    REFUSED,
    REJECTED,
    SPENT,
    TIMEOUT,
    TOO_LONG,
    UNKNOWN_MODEL,
    UNREADABLE,
    Verdict,
)

SECRET = "Canary: the vendor's own words"


def verdict(failure: GenerationFailure) -> Verdict:
    assert "Canary" not in str(failure)
    return Verdict(
        *(failure.code, failure.detail, failure.retryable, failure.transient),
        *(failure.answered, failure.rejected, failure.unknown_model),
    )


def refusal(status: int) -> httpx2.Response:
    return httpx2.Response(status, request=httpx2.Request("POST", "http://127.0.0.1"))


# OpenAI: https://developers.openai.com/api/docs/guides/error-codes, and its SDK's words for a model that fails.

INVALID = "invalid_request_error"
OPENAI = [
    (400, INVALID, None, REJECTED),
    (400, INVALID, "context_length_exceeded", TOO_LONG),
    (400, INVALID, "content_policy_violation", REFUSED),
    (400, INVALID, "content_filter", REFUSED),
    (400, INVALID, "invalid_prompt", REFUSED),
    (400, INVALID, "invalid_image_format", UNREADABLE),
    (400, INVALID, "unsupported_parameter", REJECTED),
    (401, INVALID, "invalid_api_key", AUTH),
    (401, INVALID, "account_deactivated", AUTH),
    (403, "request_forbidden", "unsupported_country_region_territory", AUTH),
    (403, INVALID, "model_not_found", UNKNOWN_MODEL),
    (404, INVALID, "model_not_found", UNKNOWN_MODEL),
    (429, "requests", "rate_limit_exceeded", LIMITED),
    (429, "tokens", "rate_limit_exceeded", LIMITED),
    (429, "rate_limit_error", "slow_down", LIMITED),
    (429, "insufficient_quota", "insufficient_quota", SPENT),
    (429, "insufficient_quota", "credit_balance_exhausted", SPENT),
    (429, "billing_error", "credit_balance_exhausted", SPENT),
    (429, "billing_error", "organization_spend_limit_exceeded", SPENT),
    (429, "billing_error", "project_spend_limit_exceeded", SPENT),
    (429, "billing_error", "organization_usage_limit_exceeded", SPENT),
    (429, "billing_not_active", "billing_not_active", SPENT),
    (500, "server_error", None, FAILED),
    (503, "service_unavailable_error", "server_is_overloaded", OVERLOADED),
    (503, "service_unavailable_error", "slow_down", LIMITED),
    (503, "server_error", None, OVERLOADED),
    # DeepSeek: https://api-docs.deepseek.com/quick_start/error_codes
    (400, INVALID, "invalid_request_error", REJECTED),
    (401, "authentication_error", "invalid_request_error", AUTH),
    (402, "unknown_error", "invalid_request_error", SPENT),
    (422, INVALID, "invalid_request_error", REJECTED),
    (429, "rate_limit_error", "rate_limit_exceeded", LIMITED),
    (500, "server_error", "server_error", FAILED),
    (503, "service_unavailable_error", "service_unavailable_error", OVERLOADED),
]


@pytest.mark.parametrize(("status", "kind", "code", "expected"), OPENAI)
def test_openai_says_it_with_a_status(status: int, kind: str, code: str | None, expected: Verdict) -> None:
    error = {"message": SECRET, "type": kind, "param": None, "code": code}
    failure = openai_errors.failure_of(openai.APIStatusError(SECRET, response=refusal(status), body=error))
    assert verdict(failure) == expected


# In the stream there is no status: a word is all that tells.
IN_STREAM = [
    *[(kind, code, expected) for status, kind, code, expected in OPENAI if status in (404, 429)],
    (INVALID, "context_length_exceeded", TOO_LONG),
    (INVALID, "content_filter", REFUSED),
    (INVALID, None, REJECTED),
    ("server_error", None, FAILED),
    ("rate_limit_error", None, LIMITED),
    ("insufficient_quota", None, SPENT),
    ("service_unavailable_error", "server_is_overloaded", OVERLOADED),
    ("service_unavailable_error", None, OVERLOADED),
    ("overloaded_error", None, OVERLOADED),
    ("authentication_error", None, AUTH),
]


@pytest.mark.parametrize(("kind", "code", "expected"), IN_STREAM)
def test_openai_says_it_in_the_stream(kind: str, code: str | None, expected: Verdict) -> None:
    assert verdict(openai_errors.reported({"message": SECRET, "type": kind, "code": code})) == expected


OPENAI_CODES = {
    "server_error": FAILED,
    "rate_limit_exceeded": LIMITED,
    "invalid_prompt": REFUSED,
    "bio_policy": REFUSED,
    "misalignment_policy_violation": REFUSED,
    "image_content_policy_violation": REFUSED,
    "data_residency_mismatch": FAILED,
    "vector_store_timeout": FAILED,
    "invalid_image": UNREADABLE,
    "invalid_image_format": UNREADABLE,
    "invalid_base64_image": UNREADABLE,
    "invalid_image_url": UNREADABLE,
    "image_too_large": UNREADABLE,
    "image_too_small": UNREADABLE,
    "image_parse_error": UNREADABLE,
    "invalid_image_mode": UNREADABLE,
    "image_file_too_large": UNREADABLE,
    "unsupported_image_media_type": UNREADABLE,
    "empty_image_file": UNREADABLE,
    "failed_to_download_image": UNREADABLE,
    "image_file_not_found": UNREADABLE,
}


def test_no_word_of_openai_is_forgotten() -> None:
    assert set(get_args(ResponseError.model_fields["code"].annotation)) == OPENAI_CODES.keys()
    for code, expected in OPENAI_CODES.items():
        assert verdict(openai_errors.reported({"message": SECRET, "code": code})) == expected, code


# Anthropic: https://platform.claude.com/docs/en/api/errors, and its SDK's words.

ANTHROPIC = {
    "invalid_request_error": (400, REJECTED),
    "authentication_error": (401, AUTH),
    "billing_error": (402, SPENT),
    "permission_error": (403, AUTH),
    "not_found_error": (404, UNKNOWN_MODEL),
    "conflict_error": (409, FAILED),
    "request_too_large": (413, TOO_LONG),
    "rate_limit_error": (429, LIMITED),
    "api_error": (500, FAILED),
    "timeout_error": (504, TIMEOUT),
    "overloaded_error": (529, OVERLOADED),
}
# Of an interface for memories, which is not called here.
MEMORIES = {"memory_precondition_failed_error", "memory_path_conflict_error"}


def said_by_anthropic(status: int, **error: Any) -> Verdict:
    body = {"type": "error", "error": {"message": SECRET, **error}}
    response = refusal(status)
    return verdict(anthropic_errors.failure_of(anthropic.APIStatusError(SECRET, response=response, body=body)))


def test_no_type_of_anthropic_is_forgotten() -> None:
    assert ANTHROPIC.keys() == (set(get_args(ErrorType)) - MEMORIES) | {"request_too_large"}


@pytest.mark.parametrize("kind", ANTHROPIC)
def test_anthropic_says_it_with_a_status_and_in_the_stream(kind: str) -> None:
    status, expected = ANTHROPIC[kind]
    assert said_by_anthropic(status, type=kind) == expected
    assert verdict(anthropic_errors.reported({"type": kind, "message": SECRET})) == expected


# `details.error_code`: whatever is none of these means what its type means, says the SDK.
ANTHROPIC_CODES = {
    "contract_spend_limit_reached": SPENT,
    "enforced_spend_limit_reached": SPENT,
    "linked_organization_spend_limit_reached": SPENT,
    "organization_on_hold": AUTH,
    "image_dimensions_too_large": UNREADABLE,
}
TELLING = re.compile("spend|bill|on_hold|too_large")
# Of administration, of users of other organizations, and of compressed requests.
NOT_OURS = {
    "linked_organization_billing_unavailable",
    "request_body_too_large_after_decoding",
    "spend_limits_admin_api_writes_not_enabled",
    "user_profile_billing_not_authorized",
    "user_profile_not_billable",
}


def codes_of(union: object) -> Iterator[str]:
    for part in get_args(union):
        if fields := getattr(part, "model_fields", None):
            yield from get_args(fields["error_code"].annotation)
        else:
            yield from codes_of(part)


def test_no_code_of_anthropic_is_forgotten() -> None:
    codes = set(codes_of(ErrorDetails))
    assert {code for code in codes if TELLING.search(code)} - NOT_OURS == ANTHROPIC_CODES.keys()
    for code in codes:
        said = said_by_anthropic(400, type=INVALID, details={"error_code": code})
        assert said == ANTHROPIC_CODES.get(code, REJECTED), code


# Ollama has no words but sentences, and these statuses: https://docs.ollama.com/api/errors


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, REJECTED),
        (401, AUTH),
        (402, SPENT),
        (403, AUTH),
        (404, UNKNOWN_MODEL),
        (413, TOO_LONG),
        (429, LIMITED),
        (500, FAILED),
        (502, FAILED),
        (503, OVERLOADED),
    ],
)
def test_ollama_says_it_with_a_status(status: int, expected: Verdict) -> None:
    page = httpx2.Response(status, json={"error": SECRET})
    assert verdict(ollama_errors.refused(page)) == expected
