"""The tutorial on OpenAI's SDK: one client for the process, typed chunks."""

import sys
from collections.abc import AsyncGenerator
from typing import Any

from openai import AsyncOpenAI

from tests.bench.targets.tutorial import Messages, serve, tutorial


def app(upstream: str) -> Any:
    client = AsyncOpenAI(api_key="sk-loopback", base_url=f"{upstream}/v1")

    async def answer(model: str, messages: Messages) -> AsyncGenerator[str, None]:
        stream = await client.chat.completions.create(
            model=model,
            messages=messages,
            stream=True,
        )
        async with stream:
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content

    return tutorial(answer)


if __name__ == "__main__":
    serve(app(sys.argv[2]), int(sys.argv[1]))
