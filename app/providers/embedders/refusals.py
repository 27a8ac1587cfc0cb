"""What an embedder's server means by the status of an error."""

from app.domain.failures import GenerationFailure
from app.providers import verdicts
from app.providers.embedders.source import TooMuch
from app.providers.transport import Refused

_FOR_WHAT_IS_IN_IT = frozenset({400, 413, 422})
# llama.cpp's words under 500, and Ollama's when its runner says so.
_TOO_LONG = ("too large to process", "context length", "context size")
_READ = 4096


def refusal(refused: Refused) -> GenerationFailure | TooMuch:
    """Servers name what they do not take in words of their own, so all that may be for the size is tried smaller."""
    status = refused.response.status_code
    if status in _FOR_WHAT_IS_IN_IT or broken_by_length(refused):
        return TooMuch(status)
    return verdicts.of_status(status).failure(verdicts.retry_after(refused.response.headers))


def broken_by_length(refused: Refused) -> bool:
    """Whether a server says in its own words that a text was too long for it, and calls that a fault of its own."""
    words = refused.response.content[:_READ].decode(errors="replace").lower()
    return refused.response.status_code >= 500 and any(each in words for each in _TOO_LONG)
