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
    status, words = refused.response.status_code, refused.response.content[:_READ].decode(errors="replace").lower()
    if status in _FOR_WHAT_IS_IN_IT or (status >= 500 and any(each in words for each in _TOO_LONG)):
        return TooMuch(status)
    return verdicts.of_status(status).failure(verdicts.retry_after(refused.response.headers))
