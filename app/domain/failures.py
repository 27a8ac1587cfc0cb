"""How a run of a model can fail, in the words of the contract."""

from enum import StrEnum


class FailureCode(StrEnum):
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_AUTH = "upstream_auth"
    UPSTREAM_CUT = "upstream_cut"
    UPSTREAM_RATE_LIMITED = "upstream_rate_limited"
    UPSTREAM_OVERLOADED = "upstream_overloaded"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_PROTOCOL = "upstream_protocol"
    CONTEXT_TOO_LONG = "context_too_long"
    REFUSED = "refused"
    INSTANCE_LOST = "instance_lost"
    INSTANCE_DRAINING = "instance_draining"
    INTERNAL = "internal"


class GenerationFailure(Exception):
    """A run that ends as `failed`.

    `detail` is shown to the user: it never quotes the upstream, whose words may hold keys or addresses.
    `retryable` says whether the same request may succeed later; `transient` whether to try again at once, before the
    first token; `retry_after` is the upstream's own wish in seconds. `answered` tells a refusal that is the ending of
    an answer (`stop_reason: refusal`, `finish_reason: content_filter`) from one in place of any answer. `rejected` says
    that the vendor refused the request itself, which another of the same form will not change; `unknown_model`, that it
    has no model of this name.
    """

    def __init__(
        self,
        code: FailureCode,
        detail: str,
        *,
        retryable: bool,
        transient: bool = False,
        retry_after: float | None = None,
        answered: bool = False,
        rejected: bool = False,
        unknown_model: bool = False,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.transient = transient
        self.retry_after = retry_after
        self.answered = answered
        self.rejected = rejected
        self.unknown_model = unknown_model
