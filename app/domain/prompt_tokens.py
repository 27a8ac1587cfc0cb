"""About how many tokens a prompt takes, with all that is in it."""

import json

from app.domain.prompts import Image, ImageLink, ModelRequest, Part, Pdf, Reasoning, Text, ToolCall, ToolResult
from app.domain.tokens import estimate

FRAMING = 4
"""Tokens that a vendor's own framing of a message or a tool may take."""
_PICTURE = 1600
"""Tokens of a picture, which vendors scale down to about 1.2 megapixels."""
_PAGE = 2500
_PAGE_BYTES = 100_000
"""Of a PDF, whose pages nobody counts here."""


def prompt_tokens(request: ModelRequest, *, framing: int = 0) -> int:
    """By `app.domain.tokens`; `framing` is of each message and tool."""
    total = estimate(request.system_prompt) if request.system_prompt else 0
    for tool in request.tools:
        schema = json.dumps(dict(tool.parameters), ensure_ascii=False)
        total += framing + estimate(f"{tool.name} {tool.description or ''} {schema}")
    for message in request.messages:
        total += framing + sum(map(_weight, message.parts))
    return total


def _weight(part: Part) -> int:
    match part:
        case Text(said):
            return estimate(said)
        case Image() | ImageLink():
            return _PICTURE
        case Pdf(data):
            return _PAGE * (1 + len(data) // _PAGE_BYTES)
        case ToolResult(parts=parts, text=said):
            return sum(map(_weight, parts)) if parts else estimate(said)
        case ToolCall(name=name, arguments=arguments):
            return estimate(name + arguments)
        case Reasoning(text=thought):
            return estimate(thought)
        case _:
            return 0
