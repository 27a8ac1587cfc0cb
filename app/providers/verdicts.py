"""What can go wrong with a vendor, in our words; a vendor's own text is read, never passed on."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import NamedTuple

from httpx2 import Headers

from app.domain.failures import FailureCode, GenerationFailure


class Verdict(NamedTuple):
    """A failure before it happens; see GenerationFailure."""

    code: FailureCode
    detail: str
    retryable: bool = False
    transient: bool = False
    answered: bool = False
    rejected: bool = False
    unknown_model: bool = False

    def failure(self, wait: float | None = None) -> GenerationFailure:
        """The failure to raise; `wait` is the upstream's own wish in seconds."""
        return GenerationFailure(
            self.code,
            self.detail,
            retryable=self.retryable,
            transient=self.transient,
            retry_after=wait,
            answered=self.answered,
            rejected=self.rejected,
            unknown_model=self.unknown_model,
        )


AUTH = Verdict(FailureCode.UPSTREAM_AUTH, "The provider refused our credentials.")
UNKNOWN_MODEL = Verdict(FailureCode.UPSTREAM_ERROR, "The provider does not know this model.", unknown_model=True)
REJECTED = Verdict(FailureCode.UPSTREAM_ERROR, "The provider rejected the request.", rejected=True)
TOO_LONG = Verdict(FailureCode.CONTEXT_TOO_LONG, "The conversation is too long for this model.")
UNREADABLE = Verdict(
    FailureCode.UPSTREAM_ERROR, "This model cannot take what is attached to the message.", rejected=True
)
REFUSED = Verdict(FailureCode.REFUSED, "The provider declined to answer this.")
DECLINED = REFUSED._replace(answered=True)
"""The same as the ending of an answer."""
LIMITED = Verdict(FailureCode.UPSTREAM_RATE_LIMITED, "The provider limits how often we may ask.", True, True)
SPENT = Verdict(FailureCode.UPSTREAM_RATE_LIMITED, "The account at the provider has no credit left.", True)
FAILED = Verdict(FailureCode.UPSTREAM_ERROR, "The provider had an internal error.", True, True)
OVERLOADED = Verdict(FailureCode.UPSTREAM_OVERLOADED, "The provider is overloaded.", True, True)
UNREACHABLE = Verdict(FailureCode.UPSTREAM_ERROR, "The provider could not be reached.", True, True)
TIMEOUT = Verdict(FailureCode.UPSTREAM_TIMEOUT, "The provider did not answer in time.", True, True)
PROTOCOL = Verdict(FailureCode.UPSTREAM_PROTOCOL, "The provider's answer could not be understood.", True)

BY_STATUS = {
    400: REJECTED,
    401: AUTH,
    402: SPENT,
    403: AUTH,
    404: UNKNOWN_MODEL,
    408: TIMEOUT,
    409: FAILED,
    413: TOO_LONG,
    422: REJECTED,
    429: LIMITED,
    500: FAILED,
    502: FAILED,
    503: OVERLOADED,
    504: FAILED,
    529: OVERLOADED,
}


def of_status(status: int) -> Verdict:
    """What an HTTP status says where nothing else does."""
    if status in BY_STATUS:
        return BY_STATUS[status]
    return FAILED if status >= 500 else REJECTED if status >= 400 else PROTOCOL


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
