"""OpenAI's chat completions, which many others speak too: DeepSeek, vLLM, llama.cpp, gateways."""

from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
import openai
from pydantic import SecretStr

from app.domain.chat import ModelRequest
from app.domain.events import ProviderEvent
from app.domain.failures import GenerationFailure
from app.domain.providers import ModelCard
from app.providers import openai_errors, shipped
from app.providers.openai_chunks import ChunkReader
from app.providers.sse import EventSplitter
from app.providers.transport import ERROR_BODY_BYTES, AiohttpTransport, Body, body_of

OFFICIAL_BASE_URL = "https://api.openai.com/v1"

# With this header the SDK hands out the answer before its body is read; it is how `with_streaming_response` says it.
_UNREAD = {"X-Stainless-Raw-Response": "stream"}


class _Model(msgspec.Struct):
    id: str


class _ModelList(msgspec.Struct):
    data: list[_Model]


class _Failed(msgspec.Struct):
    error: Any


class OpenAIProvider:
    """Everything at one address. The SDK builds requests and names errors; its typed chunks cost 266 µs each."""

    def __init__(self, provider_id: str, *, api_key: SecretStr, base_url: str | None, connect_timeout: float) -> None:
        address = base_url or OFFICIAL_BASE_URL
        self._id = provider_id
        self._official = urlsplit(address).hostname == "api.openai.com"
        self._client = openai.AsyncOpenAI(
            api_key=api_key.get_secret_value().strip(),
            base_url=address,
            timeout=None,  # the engine owns the clocks
            max_retries=0,
            http_client=httpx2.AsyncClient(
                transport=AiohttpTransport(address, connect_timeout=connect_timeout),
                headers={"Accept-Encoding": "identity"},
                timeout=None,
            ),
        )

        if provider_id != "openai":
            # The SDK takes these from OPENAI_ORG_ID and OPENAI_PROJECT_ID; they are no business of another vendor.
            self._client.organization = self._client.project = None

    @property
    def id(self) -> str:
        return self._id

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        call = self._client.post(
            "/chat/completions", cast_to=httpx2.Response, body=self._body(request), options={"headers": _UNREAD}
        )
        response = await _answer(call)
        with closing(body_of(response)) as body:
            await _expect_events(response, body)
            splitter, reader = EventSplitter(), ChunkReader()
            while data := await _read(body, reader):
                if events := reader.read(splitter.feed(data)):
                    yield events
                if reader.failure:
                    raise reader.failure
                if reader.done:
                    await body.drain()
                    return
            if events := reader.flush():
                yield events

    async def models(self) -> Sequence[ModelCard]:
        response = await _answer(self._client.get("/models", cast_to=httpx2.Response))
        try:
            listed = msgspec.json.decode(response.content, type=_ModelList).data
        except (msgspec.DecodeError, RecursionError) as error:
            raise openai_errors.misunderstood() from error
        ids = sorted({model.id for model in listed})
        return [shipped.card(self._id, name) for name in ids if not self._official or shipped.is_chat_model(name)]

    async def aclose(self) -> None:
        await self._client.close()

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        if request.system_prompt:
            messages.insert(0, {"role": "system", "content": request.system_prompt})
        body: dict[str, Any] = {
            "model": request.model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            # OpenAI's own reasoning models refuse the old name; most other servers know only that one.
            "max_completion_tokens" if self._official else "max_tokens": request.max_tokens,
        }
        if request.temperature is not None and shipped.card(self._id, request.model).takes_temperature:
            body["temperature"] = request.temperature
        return body


async def _answer(call: Awaitable[httpx2.Response]) -> httpx2.Response:
    try:
        return await call
    except openai.OpenAIError as error:
        raise openai_errors.failure_of(error) from error
    except ValueError as error:  # a key or a text with characters that no request can hold
        raise openai_errors.unsendable() from error


async def _read(body: Body, reader: ChunkReader) -> bytes:
    """The next bytes; once the answer is whole, a cut costs no more than the usage."""
    try:
        return await body.read()
    except GenerationFailure:
        if reader.finished:
            return b""
        raise


async def _expect_events(response: httpx2.Response, body: Body) -> None:
    """Refuse a page, and name the error that some gateways report under status 200."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return
    if kind == "application/json":
        page = b""
        while len(page) < ERROR_BODY_BYTES and (data := await body.read()):
            page += data
        try:
            error = msgspec.json.decode(page, type=_Failed).error
        except (msgspec.DecodeError, RecursionError):
            error = None
        if error:
            raise openai_errors.reported(error)
    raise openai_errors.misunderstood()
