"""What an error of Anthropic's API means; all of its words are in `test_error_words`."""

import anthropic
import httpx2
import pytest

from app.domain.failures import FailureCode
from app.providers.anthropic.errors import failure_of, reported

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/messages")


def status_error(status: int, error: object = None, headers: dict[str, str] | None = None) -> anthropic.APIStatusError:
    response = httpx2.Response(status, request=REQUEST, headers=headers)
    return anthropic.APIStatusError("secret", response=response, body={"type": "error", "error": error})


INVALID = "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "error", "code", "retryable", "transient"),
    [
        (400, {"type": INVALID, "message": "messages: Field required"}, "upstream_error", False, False),
        (
            400,
            {"type": INVALID, "message": "prompt is too long: 2 tokens > 1 maximum"},
            "context_too_long",
            False,
            False,
        ),
        (
            400,
            {"type": INVALID, "message": "input length and `max_tokens` exceed context limit: 1 + 2 > 2"},
            "context_too_long",
            False,
            False,
        ),
        (
            400,
            {"type": INVALID, "message": "Your credit balance is too low to access the Anthropic API."},
            "upstream_rate_limited",
            True,
            False,
        ),
        (400, {"type": INVALID, "message": "Could not process image"}, "upstream_error", False, False),
        (
            400,
            {"type": INVALID, "details": {"error_code": "image_dimensions_too_large"}},
            "upstream_error",
            False,
            False,
        ),
        (401, {"type": "authentication_error"}, "upstream_auth", False, False),
        (402, {"type": "billing_error"}, "upstream_rate_limited", True, False),
        (403, {"type": "permission_error"}, "upstream_auth", False, False),
        (404, {"type": "not_found_error", "message": "model: claude-x"}, "upstream_error", False, False),
        (408, None, "upstream_timeout", True, True),
        (409, {"type": "conflict_error"}, "upstream_error", True, True),
        (413, {"type": "request_too_large"}, "context_too_long", False, False),
        (418, None, "upstream_error", False, False),
        (422, ["what"], "upstream_error", False, False),
        (429, {"type": "rate_limit_error"}, "upstream_rate_limited", True, True),
        (
            429,
            {"type": "rate_limit_error", "details": {"error_code": "contract_spend_limit_reached"}},
            "upstream_rate_limited",
            True,
            False,
        ),
        (500, {"type": "api_error"}, "upstream_error", True, True),
        (502, "<html>", "upstream_error", True, True),
        (503, None, "upstream_overloaded", True, True),
        (504, {"type": "timeout_error"}, "upstream_timeout", True, True),
        (529, {"type": "overloaded_error"}, "upstream_overloaded", True, True),
        (529, None, "upstream_overloaded", True, True),
    ],
)
def test_a_status_means_what_the_contract_says(
    status: int, error: object, code: str, retryable: bool, transient: bool
) -> None:
    failure = failure_of(status_error(status, error))
    assert (failure.code, failure.retryable, failure.transient) == (code, retryable, transient)


def test_an_attachment_that_is_refused_is_named() -> None:
    failure = failure_of(status_error(400, {"type": INVALID, "message": "The PDF specified was not valid."}))
    assert "attached" in failure.detail


@pytest.mark.parametrize(
    ("status", "error", "rejected"),
    [
        (400, {"type": INVALID, "message": "messages: Field required"}, True),
        (422, ["what"], True),
        (400, {"type": INVALID, "message": "Could not process image"}, True),
        (400, {"type": INVALID, "message": "Your credit balance is too low to access the Anthropic API."}, False),
        (401, {"type": "authentication_error"}, False),
        (404, {"type": "not_found_error", "message": "model: claude-x"}, False),
        (500, {"type": "api_error"}, False),
    ],
)
def test_a_request_that_the_vendor_refused_itself_is_told_from_what_it_could_not_do(
    status: int, error: object, rejected: bool
) -> None:
    assert failure_of(status_error(status, error)).rejected is rejected


def test_the_wish_to_wait_is_kept() -> None:
    assert failure_of(status_error(529, headers={"retry-after": "3"})).retry_after == 3


def test_a_connection_that_fails_is_tried_again_unless_nothing_was_sent() -> None:
    assert failure_of(anthropic.APITimeoutError(REQUEST)).code is FailureCode.UPSTREAM_TIMEOUT
    assert failure_of(anthropic.APIConnectionError(request=REQUEST)).transient
    unsent = anthropic.APIConnectionError(request=REQUEST)
    unsent.__cause__ = ValueError("secret")
    assert not failure_of(unsent).retryable


@pytest.mark.parametrize("error", [None, 7, "boom", [], {"type": 500}, {"type": {"a": 1}, "details": "x"}])
def test_anything_can_be_reported_as_an_error(error: object) -> None:
    assert reported(error).code is FailureCode.UPSTREAM_ERROR
