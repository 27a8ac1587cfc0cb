"""Who speaks OpenAI's protocol, and what each of them does of what can be asked in it."""

from enum import Enum, auto
from urllib.parse import urlsplit

from app.core.errors import NotSupported
from app.domain.prompts import ModelRequest
from app.providers import abilities
from app.providers.links import check_links
from app.providers.openai.models import Calling, family

_MOST_STOPS = 4
_LEAST_TOKENS = 16
"""Of a bound, to the Responses API."""


class Server(Enum):
    OFFICIAL = auto()
    DEEPSEEK = auto()
    OTHER = auto()
    """vLLM, llama.cpp, gateways: they leave aside what they do not know, or say so."""

    @classmethod
    def of(cls, provider: str, address: str) -> "Server":
        if provider == "deepseek":
            return cls.DEEPSEEK
        return cls.OFFICIAL if urlsplit(address).hostname == "api.openai.com" else cls.OTHER


_ALL = frozenset(
    {"tools", "tool_choice", "top_p", "stop", "presence_penalty", "frequency_penalty", "json_object", "pdf"}
)
_OFFICIAL = _ALL | {"parallel_calls", "seed", "logit_bias", "verbosity", "json_schema", "image_link"}
# DeepSeek's own list of parameters ends there; of formats it has but the one.
_DOES = {
    Server.OFFICIAL: _OFFICIAL,
    Server.DEEPSEEK: _ALL,
    Server.OTHER: _OFFICIAL | {"top_k", "min_p", "repeat_penalty"},
}

_RESPONSES = frozenset(
    {
        "tools",
        "tool_choice",
        "parallel_calls",
        "top_p",
        "verbosity",
        "json_object",
        "json_schema",
        "image_link",
        "pdf",
        "tool_images",
    }
)


def answers_by_responses(request: ModelRequest, server: Server) -> bool:
    """Whether this is for OpenAI's Responses API, as are tools of its newest models; chat completions take the rest."""
    return server is Server.OFFICIAL and bool(request.tools) and family(request.model.id).calling is Calling.ELSEWHERE


def does(server: Server, model: str) -> frozenset[str]:
    """The features of chat completions, by their names in `app.providers.abilities`."""
    return _DOES[server] - family(model).refuses if server is Server.OFFICIAL else _DOES[server]


def responses_do(model: str) -> frozenset[str]:
    """The same of the Responses API."""
    return _RESPONSES - family(model).refuses


def check(request: ModelRequest, server: Server) -> None:
    """Raises NotSupported."""
    if answers_by_responses(request, server):
        if request.bounded and request.max_tokens < _LEAST_TOKENS:
            raise NotSupported("max_tokens", f"With tools this model takes no bound below {_LEAST_TOKENS} tokens.")
        abilities.check(request, responses_do(request.model.id))
    else:
        if server is Server.OFFICIAL and len(request.options.stop) > _MOST_STOPS:
            raise NotSupported("stop", f"OpenAI takes at most {_MOST_STOPS} stop sequences.")
        abilities.check(request, does(server, request.model.id))
    check_links(request)
