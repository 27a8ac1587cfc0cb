"""The tutorial on Anthropic's SDK: one client for the process, typed events."""

import sys
from collections.abc import AsyncGenerator
from typing import Any

from anthropic import AsyncAnthropic

from tests.bench.targets.tutorial import Messages, serve, tutorial


def app(upstream: str) -> Any:
    client = AsyncAnthropic(api_key="sk-loopback", base_url=upstream)

    async def answer(model: str, messages: Messages) -> AsyncGenerator[str, None]:
        stream = await client.messages.create(
            model=model,
            messages=messages,
            max_tokens=1024,
            stream=True,
        )
        async with stream:
            async for event in stream:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    yield event.delta.text

    return tutorial(answer)


if __name__ == "__main__":
    serve(app(sys.argv[2]), int(sys.argv[1]))
