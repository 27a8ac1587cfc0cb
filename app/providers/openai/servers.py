"""Who speaks OpenAI's protocol, and what each of them does of what can be asked in it."""

from enum import Enum, auto
from urllib.parse import urlsplit

from app.core.errors import NotSupported
from app.domain.prompts import ModelRequest
from app.providers import abilities
from app.providers.links import check_links
from app.providers.openai.models import Calling, family

_MOST_STOPS = 4


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


def does(server: Server, model: str) -> frozenset[str]:
    """The features, by their names in `app.providers.abilities`."""
    return _DOES[server] - family(model).refuses if server is Server.OFFICIAL else _DOES[server]


def check(request: ModelRequest, server: Server) -> None:
    """Raises NotSupported."""
    if server is Server.OFFICIAL:
        if request.tools and family(request.model.id).calling is Calling.ELSEWHERE:
            raise NotSupported("tools", "OpenAI lets this model call tools through its Responses API alone.")
        if len(request.options.stop) > _MOST_STOPS:
            raise NotSupported("stop", f"OpenAI takes at most {_MOST_STOPS} stop sequences.")
    abilities.check(request, does(server, request.model.id))
    check_links(request)
