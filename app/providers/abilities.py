"""What a request asks of a vendor beside an answer, and the refusal of what that vendor cannot do."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields

from app.core.errors import NotSupported
from app.domain.prompts import NO_OPTIONS, ImageLink, ModelRequest, Options, Pdf, ToolResult

_OPTIONS = tuple(field.name for field in fields(Options) if field.name not in ("format", "thinking"))
_IDLE: Mapping[str, object] = {
    "top_p": 1,
    "min_p": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "repeat_penalty": 1,
    "logit_bias": {},
}


def check(request: ModelRequest, does: Collection[str]) -> None:
    """Raises NotSupported for the first thing that is asked for and not among what the vendor `does`."""
    for feature in features(request):
        if feature not in does and not _idle(feature, request.options):
            raise NotSupported(feature)


def _idle(feature: str, options: Options) -> bool:
    """Whether it is asked for in name only, as clients do that send each of their settings: nothing is lost with it."""
    return feature in _IDLE and getattr(options, feature) == _IDLE[feature]


def features(request: ModelRequest) -> Iterator[str]:
    """By the names of their fields; but `json_object` and `json_schema` for the two formats, and `image_link`, `pdf`,
    `tool_images` (pictures or documents in a tool's result) for parts of messages. What every vendor does anyhow is
    none of them: to leave the choice of tools to the model, to call none, to call several at once.

    `thinking` is none of them: like `effort` it is a wish, which each vendor grants as nearly as it can.
    """
    options = request.options
    if request.tools:
        yield "tools"
        if request.tool_choice is not None and request.tool_choice.mode in ("required", "named"):
            yield "tool_choice"
        if request.parallel_calls is False:
            yield "parallel_calls"
    if options is not NO_OPTIONS:
        for name in _OPTIONS:
            value = getattr(options, name)
            if value is not None and value != ():
                yield name
        if options.format is not None:
            yield "json_object" if options.format.schema is None else "json_schema"
    yield from _shown(request)


def _shown(request: ModelRequest) -> Iterator[str]:
    for message in request.messages:
        if isinstance(message.content, str):
            continue
        for part in message.content:
            if isinstance(part, ToolResult):
                if any(isinstance(each, ImageLink) for each in part.parts):
                    yield "image_link"
                if part.parts:
                    yield "tool_images"
            elif isinstance(part, ImageLink):
                yield "image_link"
            elif isinstance(part, Pdf):
                yield "pdf"
