"""What an Ollama server calls an error, in our words: it has statuses and sentences, and no codes."""

import httpx2

from app.domain.failures import FailureCode, GenerationFailure
from app.providers import verdicts
from app.providers.verdicts import Verdict

NO_MEMORY = Verdict(FailureCode.UPSTREAM_OVERLOADED, "The model's server has not enough memory for this model.", True)
NO_ROOM = Verdict(FailureCode.UPSTREAM_ERROR, "The model's server has no room left for models.")

# Parts of its sentences, in lower case; the first that occurs counts. Runners of several kinds have their own words.
_BY_HINT = (
    ("context length", verdicts.TOO_LONG),
    ("context size", verdicts.TOO_LONG),
    ("context window", verdicts.TOO_LONG),
    ("system memory", NO_MEMORY),
    ("out of memory", NO_MEMORY),
    ("server busy", verdicts.OVERLOADED),
    ("maximum pending requests", verdicts.OVERLOADED),
    ("server loading model", verdicts.OVERLOADED),
    ("required for image input", verdicts.UNREADABLE),
    ("image input is not supported", verdicts.UNREADABLE),
    ("does not support", verdicts.REJECTED),
    ("try pulling it first", verdicts.UNKNOWN_MODEL),
    ("file does not exist", verdicts.UNKNOWN_MODEL),
    ("no space left", NO_ROOM),
    ("unauthorized", verdicts.AUTH),
    ("too many requests", verdicts.LIMITED),
    ("usage limit", verdicts.LIMITED),
)
# These say all that there is to say, whatever a proxy or Ollama's cloud wrote beside them.
_PLAIN = (401, 402, 403, 404, 429)
_READ_CHARS = 4096


def unreached(error: httpx2.TransportError) -> GenerationFailure:
    """For a request that got no answer."""
    timeout = isinstance(error, httpx2.TimeoutException)
    return (verdicts.TIMEOUT if timeout else verdicts.UNREACHABLE).failure()


def refused(response: httpx2.Response) -> GenerationFailure:
    """For an answer with the status of an error, whose page was read."""
    words = response.content[:_READ_CHARS].decode(errors="replace")
    return _judge(words, response.status_code).failure(verdicts.retry_after(response.headers))


def reported(error: object) -> GenerationFailure:
    """For the decoded value of `error` in a stream or in an answer of status 200."""
    return _judge(str(error), None).failure()


def _judge(words: str, status: int | None) -> Verdict:
    if status in _PLAIN:
        return verdicts.of_status(status)
    words = words[:_READ_CHARS].lower()
    for hint, verdict in _BY_HINT:
        if hint in words:
            return verdict
    return verdicts.FAILED if status is None else verdicts.of_status(status)
