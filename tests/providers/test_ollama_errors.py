"""Every sentence of an Ollama server has a name of ours, and none is passed on."""

import httpx2
import msgspec
import pytest

from app.domain.failures import FailureCode
from app.providers.ollama.errors import refused, reported, unreached


@pytest.mark.parametrize(
    ("status", "error", "code", "retryable", "transient"),
    [
        (400, "the input length exceeds the context length", "context_too_long", False, False),
        (
            400,
            '{"error":{"message":"request (9 tokens) exceeds the available context size"}}',
            "context_too_long",
            0,
            0,
        ),
        (500, "input length exceeds maximum context length", "context_too_long", False, False),
        (400, '"secret" does not support thinking', "upstream_error", False, False),
        (400, "secret does not support chat", "upstream_error", False, False),
        (500, "this model is missing data required for image input", "upstream_error", False, False),
        (400, "invalid character", "upstream_error", False, False),
        (401, "unauthorized", "upstream_auth", False, False),
        (403, "remote model is unavailable", "upstream_auth", False, False),
        (404, "model 'secret' not found", "upstream_error", False, False),
        (404, "the context length of this page", "upstream_error", False, False),
        (429, "you have reached your weekly usage limit", "upstream_rate_limited", True, True),
        (500, 'model "secret" not found, try pulling it first', "upstream_error", False, False),
        (500, "llama runner process has terminated: exit status 2", "upstream_error", True, True),
        (500, "model requires more system memory (8.1 GiB) than is available (7.3 GiB)", "upstream_overloaded", 1, 0),
        (500, "CUDA error: out of memory", "upstream_overloaded", True, False),
        (500, "llm server loading model", "upstream_overloaded", True, True),
        (502, "upstream gone", "upstream_error", True, True),
        (503, "server busy, please try again.  maximum pending requests exceeded", "upstream_overloaded", True, True),
        (503, {"message": "secret", "code": 503}, "upstream_overloaded", True, True),
        (500, None, "upstream_error", True, True),
    ],
)
def test_a_status_and_its_sentence_mean_what_the_contract_says(
    status: int, error: object, code: str, retryable: bool, transient: bool
) -> None:
    failure = refused(httpx2.Response(status, content=msgspec.json.encode({"error": error})))
    assert (failure.code, failure.retryable, failure.transient) == (code, retryable, transient)
    assert "secret" not in failure.detail


@pytest.mark.parametrize("page", [b"", b"<html>secret</html>", b"\xff\xfe", b"x" * 1_000_000, b"404 page not found"])
def test_any_page_may_be_an_error(page: bytes) -> None:
    failure = refused(httpx2.Response(502, content=page))
    assert (failure.code, failure.transient) == (FailureCode.UPSTREAM_ERROR, True)


def test_a_wish_to_wait_is_kept() -> None:
    assert refused(httpx2.Response(503, headers={"Retry-After": "7"})).retry_after == 7


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("an error was encountered while running the model", "upstream_error"),
        ("maximum pending requests exceeded", "upstream_overloaded"),
        ("unauthorized", "upstream_auth"),
        ("too many requests", "upstream_rate_limited"),
        ({"message": "context length exceeded", "type": "exceed_context_size_error"}, "context_too_long"),
        (7, "upstream_error"),
        ([], "upstream_error"),
        ({"a": {"b": ["\ud83d"]}}, "upstream_error"),
        ("x" * 1_000_000, "upstream_error"),
    ],
)
def test_anything_can_be_reported_as_an_error(error: object, code: str) -> None:
    assert reported(error).code == code


def test_no_answer_is_a_server_out_of_reach_or_late() -> None:
    assert unreached(httpx2.ConnectError("secret")).transient
    assert unreached(httpx2.ConnectTimeout("secret")).code is FailureCode.UPSTREAM_TIMEOUT
