"""What an error of OpenAI's protocol means; all of its words are in `test_error_words`."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import openai
import pytest

from app.domain.failures import FailureCode
from app.providers.openai.errors import failure_of, reported
from app.providers.verdicts import retry_after

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1")


def status_error(status: int, body: object = None, headers: dict[str, str] | None = None) -> openai.APIStatusError:
    response = httpx2.Response(status, request=REQUEST, headers=headers)
    return openai.APIStatusError("secret", response=response, body=body)


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable", "transient"),
    [
        (400, {"code": "context_length_exceeded"}, "context_too_long", False, False),
        (400, {"message": "This model's maximum context length is 65536 tokens"}, "context_too_long", False, False),
        (400, {"code": "content_policy_violation"}, "refused", False, False),
        (400, {"type": "invalid_request_error"}, "upstream_error", False, False),
        (401, None, "upstream_auth", False, False),
        (402, {"message": "Insufficient Balance"}, "upstream_rate_limited", True, False),
        (403, None, "upstream_auth", False, False),
        (403, {"code": "model_not_found"}, "upstream_error", False, False),
        (404, "<html>", "upstream_error", False, False),
        (413, None, "context_too_long", False, False),
        (418, None, "upstream_error", False, False),
        (422, ["what"], "upstream_error", False, False),
        (429, {"code": "rate_limit_exceeded"}, "upstream_rate_limited", True, True),
        (429, {"code": "insufficient_quota"}, "upstream_rate_limited", True, False),
        (500, None, "upstream_error", True, True),
        (502, None, "upstream_error", True, True),
        (503, {"type": "server_error"}, "upstream_overloaded", True, True),
        (504, None, "upstream_error", True, True),
        (529, None, "upstream_overloaded", True, True),
        (599, None, "upstream_error", True, True),
        (302, None, "upstream_protocol", True, False),
    ],
)
def test_a_status_means_what_the_contract_says(
    status: int, body: object, code: str, retryable: bool, transient: bool
) -> None:
    failure = failure_of(status_error(status, body))
    assert (failure.code, failure.retryable, failure.transient) == (code, retryable, transient)


# By what OpenAI, vLLM, DeepSeek and FastAPI say of tools, formats and options that they cannot read.
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"type": "invalid_request_error", "param": "tools[0].function.name", "code": "invalid_value"}),
        (
            400,
            {
                "type": "invalid_request_error",
                "param": "tools[0].function.parameters",
                "code": "invalid_function_parameters",
            },
        ),
        (400, {"type": "invalid_request_error", "param": "response_format", "code": None}),
        (400, {"type": "invalid_request_error", "param": "top_p", "code": "unsupported_parameter"}),
        (400, {"type": "invalid_request_error", "param": None, "code": "invalid_request_error"}),
        (400, {"object": "error", "type": "BadRequestError", "code": 400}),
        (422, {"detail": [{"loc": ["body", "tools"], "msg": "secret"}]}),
    ],
)
def test_what_is_wrong_with_the_request_itself_is_said_to_be(status: int, body: object) -> None:
    failure = failure_of(status_error(status, body))
    assert (failure.code, failure.rejected, failure.retryable) == (FailureCode.UPSTREAM_ERROR, True, False)


def test_a_request_may_be_rejected_in_the_stream() -> None:
    assert reported({"type": "invalid_request_error", "param": "tools"}).rejected
    assert reported({"type": "BadRequestError", "code": 400}).rejected
    assert not reported({"type": "server_error"}).rejected


def test_a_connection_that_fails_is_tried_again() -> None:
    assert failure_of(openai.APITimeoutError(REQUEST)).code is FailureCode.UPSTREAM_TIMEOUT
    assert failure_of(openai.APIConnectionError(request=REQUEST)).transient


@pytest.mark.parametrize("error", [None, 7, "boom", [], {"code": 500}, {"code": "1" * 5000}, {"code": {"a": 1}}])
def test_anything_can_be_reported_as_an_error(error: object) -> None:
    assert reported(error).code is FailureCode.UPSTREAM_ERROR


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
)
def test_the_wish_to_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(httpx2.Headers(headers)) == seconds


def test_the_wish_to_wait_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < (retry_after(httpx2.Headers({"retry-after": date})) or 0) <= 30
