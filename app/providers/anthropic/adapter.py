"""Anthropic's Messages API, natively: thinking with its signatures, prompt caching, PDFs; and what speaks it too."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import closing
from urllib.parse import urlsplit

import anthropic
import httpx2
import msgspec
from pydantic import SecretStr

from app.domain.cards import ModelCard
from app.domain.events import ProviderEvent
from app.domain.failures import GenerationFailure
from app.domain.prompts import ModelRequest
from app.providers.anthropic import errors
from app.providers.anthropic.abilities import check
from app.providers.anthropic.events import EventReader
from app.providers.anthropic.lists import Page, card
from app.providers.anthropic.requests import count_call, messages_call
from app.providers.calls import StreamCall
from app.providers.relay import Answer, relay
from app.providers.sse import EventSplitter
from app.providers.transport import Transport
from app.providers.verdicts import PROTOCOL, REJECTED, TIMEOUT

OFFICIAL_BASE_URL = "https://api.anthropic.com"

_PAGE_SIZE = 1000
_MAX_PAGES = 10

# A prompt is counted at once, for nothing is run: seconds, and bytes of the answer.
_COUNT_SECONDS = 10.0
_COUNT_BYTES = 64 * 1024


class _Count(msgspec.Struct):
    input_tokens: int


class AnthropicProvider:
    """Everything at one address. The SDK lists models, says how requests are headed and names errors.

    Its typed events cost 30 µs each, and its requests 0.4 ms: neither is on the way of an answer.
    """

    def __init__(self, *, api_key: SecretStr, base_url: str | None, connect_timeout: float) -> None:
        address = (base_url or OFFICIAL_BASE_URL).rstrip("/").removesuffix("/v1")  # which the SDK adds
        key = api_key.get_secret_value().strip()
        transport = Transport(address, connect_timeout=connect_timeout)
        self._client = anthropic.AsyncAnthropic(
            # Given both, the SDK looks for neither credentials nor addresses in the environment and in files.
            api_key=key,
            base_url=address,
            timeout=None,  # the engine owns the clocks
            max_retries=0,
            open_telemetry=False,
            http_client=httpx2.AsyncClient(transport=transport, headers={"Accept-Encoding": "identity"}, timeout=None),
        )
        # In place of what the SDK takes from ANTHROPIC_CUSTOM_HEADERS, which may hold credentials of another program.
        # It sends the key as a bearer token only; what was made to the older version of the API knows this header.
        official = urlsplit(address).hostname == "api.anthropic.com"
        self._client._custom_headers = {} if official else {"X-Api-Key": key}
        self._call, self._count = (
            StreamCall(
                transport,
                f"{address}/v1/messages{path}",
                {**self._client.default_headers, **self._client.auth_headers},
                media_type=media_type,
                refused=self._refused,
                reported=errors.reported,
            )
            for path, media_type in (("", "text/event-stream"), ("/count_tokens", "application/json"))
        )

    @property
    def id(self) -> str:
        return "anthropic"

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        return relay(lambda: self._open(request))

    def check(self, request: ModelRequest) -> None:
        check(request)

    async def count_tokens(self, request: ModelRequest) -> int:
        """The tokens of a prompt, by the vendor's own count, which costs nothing. Raises GenerationFailure."""
        try:
            async with asyncio.timeout(_COUNT_SECONDS):
                answer = await self._count.open(request, count_call)
                with closing(answer):
                    page = b""
                    while len(page) < _COUNT_BYTES and (data := await answer.read()):
                        page += data
        except TimeoutError as error:
            raise TIMEOUT.failure() from error
        try:
            return max(0, msgspec.json.decode(page, type=_Count).input_tokens)
        except (ValueError, RecursionError) as error:
            raise PROTOCOL.failure() from error

    async def models(self) -> Sequence[ModelCard]:
        cards: dict[str, ModelCard] = {}
        after: str | None = None
        for _ in range(_MAX_PAGES):
            page = await self._page(after)
            cards |= {model.id: card(model) for model in page.data if model.lifecycle != "retired"}
            if not (page.has_more and page.last_id) or page.last_id == after:
                break
            after = page.last_id
        return [cards[name] for name in sorted(cards)]

    async def aclose(self) -> None:
        await self._client.close()

    async def _open(self, request: ModelRequest) -> Answer:
        return Answer(await self._call.open(request, messages_call), EventSplitter(), EventReader())

    def _refused(self, response: httpx2.Response) -> GenerationFailure:
        return errors.failure_of(self._client._make_status_error_from_response(response))

    async def _page(self, after: str | None) -> Page:
        params: dict[str, object] = {"limit": _PAGE_SIZE} | ({"after_id": after} if after else {})
        response = await _answer(self._client.get("/v1/models", cast_to=httpx2.Response, options={"params": params}))
        try:
            return msgspec.json.decode(response.content, type=Page)
        except (ValueError, RecursionError) as error:
            raise PROTOCOL.failure() from error


async def _answer(call: Awaitable[httpx2.Response]) -> httpx2.Response:
    try:
        return await call
    except anthropic.AnthropicError as error:
        raise errors.failure_of(error) from error
    except ValueError as error:  # a key or a text with characters that no request can hold
        raise REJECTED.failure() from error
