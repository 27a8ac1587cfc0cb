"""What is asked of Anthropic's API, or of one of its models, that it cannot do."""

from collections.abc import Iterator

from app.core.errors import NotSupported
from app.domain.prompts import ModelRequest
from app.providers import abilities
from app.providers.anthropic.requests import bound
from app.providers.anthropic.sampling import unsampled
from app.providers.anthropic.thinking import has_begun, must_call, thinking
from app.providers.claude import Claude
from app.providers.links import check_links

_TOOLS = ("tools", "tool_choice", "parallel_calls", "tool_images")
_DOES = frozenset((*_TOOLS, "top_p", "top_k", "stop", "json_schema", "image_link", "pdf"))
_MAY_NOT_BE_FORCED = "The chosen model calls tools as it likes; it cannot be made to call one."
_DOES_NOT_GO_ON = "The chosen model does not go on from an answer that has begun: the last message has to be a user's."


def check(request: ModelRequest) -> None:
    """Raises NotSupported. Of models whose name says nothing, all is believed that the API can do."""
    abilities.check(request, _DOES)
    check_links(request)
    for feature, detail in _refused(request):
        raise NotSupported(feature, detail)


def _refused(request: ModelRequest) -> Iterator[tuple[str, str | None]]:
    claude, options = Claude.named(request.model.id), request.options
    if options.top_p is not None or options.top_k is not None:
        mode = thinking(request, bound(request)).get("thinking", {}).get("type")
        yield from unsampled(request, thinks=claude is not None and mode in ("adaptive", "enabled"))
    if claude is None:
        return
    if options.format is not None and not claude.keeps_to_schemas:
        yield "json_schema", None
    if must_call(request) and not claude.may_be_forced:
        yield "tool_choice", _MAY_NOT_BE_FORCED
    if has_begun(request) and not claude.goes_on:
        yield "messages", _DOES_NOT_GO_ON
