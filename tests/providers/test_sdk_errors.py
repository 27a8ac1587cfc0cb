"""Every error class of the vendors' SDKs has a verdict of ours, and one that a new release adds has to be given one."""

import builtins
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import anthropic
import httpx2
import openai
import pytest

from app.domain.failures import GenerationFailure
from app.providers.anthropic import errors as anthropic_errors
from app.providers.openai import errors as openai_errors
from app.providers.verdicts import (
    AUTH,
    FAILED,
    LIMITED,
    OVERLOADED,
    PROTOCOL,
    REJECTED,
    SPENT,
    TIMEOUT,
    TOO_LONG,
    UNKNOWN_MODEL,
    UNREACHABLE,
    Verdict,
)

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1")
SECRET = "Canary: the vendor's own words"


class SDK(NamedTuple):
    """Verdicts by class; those of `elsewhere` belong to parts that are not called here, as do the folders of all."""

    module: ModuleType
    failure_of: Callable[[Any], GenerationFailure]
    root: type[Exception]
    verdicts: Mapping[str, Verdict]
    elsewhere: frozenset[str]

    @property
    def name(self) -> str:
        return self.module.__name__


OPENAI = SDK(
    openai,
    openai_errors.failure_of,
    openai.OpenAIError,
    {
        "OpenAIError": PROTOCOL,
        "APIError": FAILED,
        "APIConnectionError": UNREACHABLE,
        "APITimeoutError": TIMEOUT,
        "APIResponseValidationError": PROTOCOL,
        "APIStatusError": FAILED,
        "BadRequestError": REJECTED,
        "AuthenticationError": AUTH,
        "OAuthError": AUTH,
        "PermissionDeniedError": AUTH,
        "NotFoundError": UNKNOWN_MODEL,
        "ConflictError": FAILED,
        "UnprocessableEntityError": REJECTED,
        "RateLimitError": LIMITED,
        "InternalServerError": FAILED,
        "StreamAlreadyConsumed": PROTOCOL,
    },
    frozenset(
        {
            "ContentFilterFinishReasonError",
            "InvalidWebhookSignatureError",
            "LengthFinishReasonError",
            "MissingStreamClassError",
            "SubjectTokenProviderError",
            "WebSocketConnectionClosedError",
            "WebSocketQueueFullError",
            "_AmbiguousModuleClientUsageError",
        }
    ),
)
ANTHROPIC = SDK(
    anthropic,
    anthropic_errors.failure_of,
    anthropic.AnthropicError,
    {
        "AnthropicError": PROTOCOL,
        "APIError": PROTOCOL,
        "APIConnectionError": UNREACHABLE,
        "APITimeoutError": TIMEOUT,
        "APIResponseValidationError": PROTOCOL,
        "APIWebhookValidationError": PROTOCOL,
        "APIStatusError": FAILED,
        "BadRequestError": REJECTED,
        "AuthenticationError": AUTH,
        "PaymentRequiredError": SPENT,
        "PermissionDeniedError": AUTH,
        "NotFoundError": UNKNOWN_MODEL,
        "RequestTimeoutError": TIMEOUT,
        "ConflictError": FAILED,
        "PreconditionFailedError": REJECTED,
        "ContentTooLargeError": TOO_LONG,
        "UnprocessableEntityError": REJECTED,
        "RateLimitError": LIMITED,
        "RequestHeaderFieldsTooLargeError": REJECTED,
        "ClientClosedRequestError": REJECTED,
        "InternalServerError": FAILED,
        "HTTPNotImplementedError": FAILED,
        "ServiceUnavailableError": OVERLOADED,
        "GatewayTimeoutError": FAILED,
        "OverloadedError": OVERLOADED,
        "RetryableError": FAILED,
        "CredentialsError": AUTH,
        "IdentityTokenFileError": AUTH,
        "StreamAlreadyConsumed": PROTOCOL,
    },
    frozenset({"MissingStreamClassError"}),
)
SDKS = (OPENAI, ANTHROPIC)
# Helpers for tools, agents and other clouds, and pydantic's models of errors.
FOLDERS = ("lib", "auth", "_extras", "types", "resources", "cli", "providers")

_CLASS = re.compile(r"^class (\w+)\(([^)]*)\)", re.MULTILINE)
_EXCEPTIONS = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)}


def written(sdk: SDK) -> Iterator[tuple[str, str, set[str]]]:
    """Each class of the SDK's own modules: module, name, and the names of what it derives from."""
    folder = Path(inspect.getfile(sdk.module)).parent
    for file in sorted(folder.rglob("*.py")):
        module = file.relative_to(folder).with_suffix("").parts
        if module[0] in FOLDERS:
            continue
        for name, bases in _CLASS.findall(file.read_text(encoding="utf-8")):
            parents = {base.strip().rpartition(".")[2] for base in bases.split(",")}
            yield ".".join((sdk.name, *module)).removesuffix(".__init__"), name, parents


def errors(sdk: SDK) -> dict[str, type[Exception]]:
    """All exceptions by name, read from the source: nothing that is imported late is missed."""
    classes = list(written(sdk))
    found: dict[str, str] = {}
    while more := [it for it in classes if it[1] not in found and it[2] & (_EXCEPTIONS | found.keys())]:
        found |= {name: module for module, name, _ in more}
    return {name: getattr(import_module(module), name) for name, module in found.items()}


def example(kind: type[Exception]) -> Exception:
    """An error of that class, made with whatever its constructor wants."""
    values: dict[str, Any] = {
        "message": SECRET,
        "request": REQUEST,
        "response": httpx2.Response(getattr(kind, "status_code", 500), request=REQUEST),
        "body": {"message": SECRET, "error": {"message": SECRET}},
    }
    if not issubclass(kind, openai.APIError | anthropic.APIError):
        return kind.__new__(kind, SECRET)
    wanted = inspect.signature(kind).parameters
    return kind(**{name: values[name] for name in wanted if name in values})


Kinds = Mapping[str, Mapping[str, type[Exception]]]


@pytest.fixture(scope="module")
def kinds() -> Kinds:
    """By SDK: reading one takes half a second."""
    return {sdk.name: errors(sdk) for sdk in SDKS}


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_no_error_of_the_sdk_is_forgotten(kinds: Kinds, sdk: SDK) -> None:
    assert set(kinds[sdk.name]) == sdk.verdicts.keys() | sdk.elsewhere


@pytest.mark.parametrize(
    ("sdk", "name"), [pytest.param(sdk, name, id=f"{sdk.name}-{name}") for sdk in SDKS for name in sdk.verdicts]
)
def test_an_error_of_the_sdk_is_what_its_verdict_says(kinds: Kinds, sdk: SDK, name: str) -> None:
    failure = sdk.failure_of(example(kinds[sdk.name][name]))
    verdict = Verdict(
        *(failure.code, failure.detail, failure.retryable, failure.transient),
        *(failure.answered, failure.rejected, failure.unknown_model),
    )
    assert verdict == sdk.verdicts[name]


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_an_error_that_nobody_expects_has_a_name_too(kinds: Kinds, sdk: SDK) -> None:
    new = type("New", (sdk.root,), {})
    for kind in (new, *(kinds[sdk.name][name] for name in sdk.elsewhere)):
        failure = sdk.failure_of(kind.__new__(kind, SECRET))
        assert failure.code.startswith("upstream_")
        assert "Canary" not in str(failure)
