"""OpenAI's chat completions, which many others speak too (DeepSeek, vLLM, gateways), and its own Responses API."""

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
from app.providers.bodies import Body
from app.providers.calls import Spelled, StreamCall
from app.providers.openai import errors
from app.providers.openai.chunks import ChunkReader
from app.providers.openai.requests import chat_body
from app.providers.openai.response_events import ResponseReader
from app.providers.openai.response_requests import response_body
from app.providers.openai.servers import Server, answers_by_responses, check
from app.providers.relay import Answer, relay
from app.providers.sse import EventSplitter
from app.providers.transport import Refused, Transport
from app.providers.verdicts import PROTOCOL, REJECTED

OFFICIAL_BASE_URL = "https://api.openai.com/v1"
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
"""Of one event of the Responses API, whose first and last hold all tools, and the last the whole answer, too."""


class _Model(msgspec.Struct):
    id: str


class _ModelList(msgspec.Struct):
    data: list[_Model]


class OpenAIProvider:
    """Everything at one address. The SDK lists models, says how requests are headed and names errors.

    Its typed chunks cost 266 µs each, and its requests 0.4 ms: neither is on the way of an answer.
    """

    def __init__(
        self,
        provider_id: str,
        *,
        api_key: SecretStr,
        base_url: str | None,
        connect_timeout: float,
        server: Server | None = None,
    ) -> None:
        """`server` is who answers there, where its name does not show it."""
        address = base_url or OFFICIAL_BASE_URL
        transport = Transport(address, connect_timeout=connect_timeout)
        self._id = provider_id
        self._server = server or Server.of(provider_id, address)
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
        self._chat, self._responses = (self._call(transport, path) for path in ("chat/completions", "responses"))
        self._summarised = True

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

    def _call(self, transport: Transport, path: str) -> StreamCall:
        return StreamCall(
            transport,
            f"{self._client.base_url}{path}",
            {**self._client.default_headers, **self._client.auth_headers},
            media_type="text/event-stream",
            refused=self._refused,
            reported=errors.reported,
        )

    async def _open(self, request: ModelRequest) -> Answer:
        if answers_by_responses(request, self._server):
            return Answer(await self._respond(request), EventSplitter(MAX_RESPONSE_BYTES), ResponseReader())
        body = await self._chat.open(request, lambda it: Spelled(chat_body(it, self._server)))
        return Answer(body, EventSplitter(), ChunkReader())

    async def _respond(self, request: ModelRequest) -> Body:
        """Accounts that OpenAI has not verified are refused what their models think, and are then asked without it."""
        summarised = self._summarised
        try:
            return await self._responses.open(request, lambda it: Spelled(response_body(it, summarised=summarised)))
        except GenerationFailure as failure:
            if not (summarised and _keeps_thoughts(failure.__cause__)):
                raise
        self._summarised = False
        return await self._responses.open(request, lambda it: Spelled(response_body(it, summarised=False)))

    def _refused(self, response: httpx2.Response) -> GenerationFailure:
        return errors.failure_of(self._client._make_status_error_from_response(response))


def _keeps_thoughts(refusal: BaseException | None) -> bool:
    return isinstance(refusal, Refused) and b'"reasoning.summary"' in refusal.response.content


async def _answer(call: Awaitable[httpx2.Response]) -> httpx2.Response:
    try:
        return await call
    except openai.OpenAIError as error:
        raise errors.failure_of(error) from error
    except ValueError as error:  # a key or a text with characters that no request can hold
        raise REJECTED.failure() from error
