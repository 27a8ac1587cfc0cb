"""OpenAI's chat completions, which many others speak too: DeepSeek, vLLM, llama.cpp, gateways."""

from collections.abc import AsyncGenerator, Awaitable, Sequence

import httpx2
import msgspec
import openai
from pydantic import SecretStr

from app.domain.cards import ModelCard
from app.domain.events import ProviderEvent
from app.domain.failures import GenerationFailure
from app.domain.prompts import ModelRequest
from app.providers import shipped
from app.providers.calls import Spelled, StreamCall
from app.providers.openai import errors
from app.providers.openai.chunks import ChunkReader
from app.providers.openai.requests import chat_body
from app.providers.openai.servers import Server, check
from app.providers.relay import Answer, relay
from app.providers.sse import EventSplitter
from app.providers.transport import Transport
from app.providers.verdicts import PROTOCOL, REJECTED

OFFICIAL_BASE_URL = "https://api.openai.com/v1"


class _Model(msgspec.Struct):
    id: str


class _ModelList(msgspec.Struct):
    data: list[_Model]


class OpenAIProvider:
    """Everything at one address. The SDK lists models, says how requests are headed and names errors.

    Its typed chunks cost 266 µs each, and its requests 0.4 ms: neither is on the way of an answer.
    """

    def __init__(self, provider_id: str, *, api_key: SecretStr, base_url: str | None, connect_timeout: float) -> None:
        address = base_url or OFFICIAL_BASE_URL
        transport = Transport(address, connect_timeout=connect_timeout)
        self._id = provider_id
        self._server = Server.of(provider_id, address)
        self._client = openai.AsyncOpenAI(
            api_key=api_key.get_secret_value().strip(),
            base_url=address,
            timeout=None,  # the engine owns the clocks
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=transport, headers={"Accept-Encoding": "identity"}, timeout=None),
        )
        # What the SDK takes from OPENAI_CUSTOM_HEADERS may hold credentials of another program.
        self._client._custom_headers = {}
        if provider_id != "openai":
            # The SDK takes these from OPENAI_ORG_ID and OPENAI_PROJECT_ID; they are no business of another vendor.
            self._client.organization = self._client.project = None
        self._call = StreamCall(
            transport,
            f"{self._client.base_url}chat/completions",
            {**self._client.default_headers, **self._client.auth_headers},
            media_type="text/event-stream",
            refused=self._refused,
            reported=errors.reported,
        )

    @property
    def id(self) -> str:
        return self._id

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        return relay(lambda: self._open(request))

    def check(self, request: ModelRequest) -> None:
        check(request, self._server)

    async def models(self) -> Sequence[ModelCard]:
        response = await _answer(self._client.get("/models", cast_to=httpx2.Response))
        try:
            listed = msgspec.json.decode(response.content, type=_ModelList).data
        except (ValueError, RecursionError) as error:
            raise PROTOCOL.failure() from error
        ids = sorted({model.id for model in listed})
        if self._server is Server.OFFICIAL:
            ids = list(filter(shipped.is_chat_model, ids))
        return [shipped.card(self._id, name) for name in ids]

    async def aclose(self) -> None:
        await self._client.close()

    async def _open(self, request: ModelRequest) -> Answer:
        body = await self._call.open(request, lambda it: Spelled(chat_body(it, self._server)))
        return Answer(body, EventSplitter(), ChunkReader())

    def _refused(self, response: httpx2.Response) -> GenerationFailure:
        return errors.failure_of(self._client._make_status_error_from_response(response))


async def _answer(call: Awaitable[httpx2.Response]) -> httpx2.Response:
    try:
        return await call
    except openai.OpenAIError as error:
        raise errors.failure_of(error) from error
    except ValueError as error:  # a key or a text with characters that no request can hold
        raise REJECTED.failure() from error
