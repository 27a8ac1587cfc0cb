"""The responder that stands in while no model is configured, and says so."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import fields

from app.domain.cards import ModelCard
from app.domain.events import Finish, FinishReason, ProviderEvent, TextDelta, Usage
from app.domain.prompts import ModelRequest, Options
from app.domain.text import encode
from app.providers import shipped
from app.providers.abilities import check

PIECE_SECONDS = 0.016
_LOOKED_AT = 10_000
"""Characters of a question by which its language is told."""
_CJK = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# A word with its space, or two Chinese characters: about what a model sends at a time.
_PIECES = re.compile(r"[\u3000-\u9fff\uff00-\uffef]{1,2}|[^\s\u3000-\u9fff\uff00-\uffef]+\s*|\s+")

_ENGLISH = """\
No language model is configured on this server, so nobody has read your question: this is the built-in offline \
responder, which is no language model and always answers with this text. Your conversation is stored all the same, \
and you can continue it here as soon as a model is set up.

To set one, put one of these lines into the file `.env`, or into the environment, and restart:

- `ANTHROPIC_API_KEY=sk-ant-...` for Claude
- `OPENAI_API_KEY=sk-...` for OpenAI
- `DEEPSEEK_API_KEY=sk-...` for DeepSeek
- `OLLAMA_BASE_URL=http://host:11434` for an Ollama on another machine
- `OPENAI_BASE_URL=http://localhost:8080/v1` with `OPENAI_API_KEY=any` and `DEFAULT_MODEL=openai/<its model>` \
for any server that speaks OpenAI's protocol (vLLM, llama.cpp, a gateway)

An Ollama on this machine needs none of them: start it, give it a model (`ollama pull llama3.2`), and it answers from \
the next message on.

For example: `ANTHROPIC_API_KEY=sk-ant-... make run`
"""
_CHINESE = """\
这台服务器还没有配置语言模型，所以没有任何模型读过您的问题：这是内置的离线应答器，它不是语言模型，永远只会回复这段文字。\
不过您的对话已经照常保存，配置好模型之后可以在这里继续。

配置方法：把下面其中一项写进 `.env` 文件或环境变量，然后重启服务：

- `ANTHROPIC_API_KEY=sk-ant-...`：使用 Claude
- `OPENAI_API_KEY=sk-...`：使用 OpenAI
- `DEEPSEEK_API_KEY=sk-...`：使用 DeepSeek
- `OLLAMA_BASE_URL=http://主机:11434`：使用另一台机器上的 Ollama
- `OPENAI_BASE_URL=http://localhost:8080/v1`，同时设置 `OPENAI_API_KEY=any` 和 `DEFAULT_MODEL=openai/<模型名>`：\
使用任何兼容 OpenAI 协议的服务（vLLM、llama.cpp 或网关）

本机上的 Ollama 无需任何配置：启动它，拉取一个模型（`ollama pull llama3.2`），下一条消息就由它回答。

例如：`ANTHROPIC_API_KEY=sk-ant-... make run`
"""


_DOES = frozenset(field.name for field in fields(Options)) | {
    *("tools", "tool_choice", "parallel_calls", "image_link", "pdf", "tool_images"),
}


class OfflineProvider:
    """Explains how to configure a model, in the language of the question, streamed as a model would."""

    @property
    def id(self) -> str:
        return "offline"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ProviderEvent], None]:
        question = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
        for piece in _PIECES.findall(_CHINESE if _CJK.search(question, 0, _LOOKED_AT) else _ENGLISH):
            yield [TextDelta(encode(piece))]
            await asyncio.sleep(PIECE_SECONDS)
        yield [Finish(FinishReason.STOP), Usage(0, 0)]

    def check(self, request: ModelRequest) -> None:
        """It explains how to set up a model, whatever it is asked; but what is to be JSON it cannot write."""
        check(request, _DOES)

    async def models(self) -> Sequence[ModelCard]:
        return shipped.cards(self.id)

    async def aclose(self) -> None:
        """Nothing is held."""
