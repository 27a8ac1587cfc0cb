"""The object of OpenAI's responses, as it stands whole and in its stream's events."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.domain import seals
from app.domain.events import FinishReason
from app.wire.whole import Block, Called, Counts, Refused, Said, Thought, WholeAnswer

Spelled = str | msgspec.Raw
"""A text, or the JSON string of one."""

_INCOMPLETE = {FinishReason.LENGTH: "max_output_tokens", FinishReason.REFUSED: "content_filter"}


def answered(
    about: Mapping[str, Any],
    output: Sequence[Mapping[str, Any]],
    counts: Counts | None,
    state: FinishReason | str,
) -> dict[str, Any]:
    """A response that has ended for this reason, or is in this state."""
    cut = _INCOMPLETE.get(state) if isinstance(state, FinishReason) else None
    if isinstance(state, FinishReason):
        state = "incomplete" if cut else "completed"
    return {
        **about,
        "status": str(state),
        "error": None,
        "incomplete_details": {"reason": cut} if cut else None,
        "output": output,
        "usage": usage(counts) if counts else None,
    }


def failed(about: Mapping[str, Any], output: Sequence[Mapping[str, Any]], why: Mapping[str, Any]) -> dict[str, Any]:
    """A response that broke off."""
    error = {"code": "server_error", "message": why.get("message", "")}
    return {**answered(about, output, None, "failed"), "error": error}


def whole_response(answer: WholeAnswer, about: Mapping[str, Any], *, with_seals: bool) -> bytes:
    """The body of an answer that was waited for."""
    tail, reason = about["id"][5:], answer.ending.reason_to_openai(in_words=bool(answer.refusal))
    # Without its seal a thought that is not shown says nothing.
    told = [block for block in answer.blocks if with_seals or not isinstance(block, Thought) or block.text]
    items = []
    for number, block in enumerate(told):
        # As in a stream: what was said is closed by what follows it, a call by the end alone.
        was_open = isinstance(block, Called) or block is answer.blocks[-1]
        status = "incomplete" if was_open and reason in _INCOMPLETE else "completed"
        items.append(_item(block, f"{tail}_{number}", status, with_seals=with_seals))
    return msgspec.json.encode(answered(about, items, answer.counts or Counts(), reason))


def message(identity: str, part: Mapping[str, Any] | None, status: str) -> dict[str, Any]:
    """What was said, or why nothing was."""
    content = [] if part is None else [part]
    return {"id": identity, "type": "message", "status": status, "role": "assistant", "content": content}


def output_text(text: Spelled) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def refusal(text: Spelled) -> dict[str, Any]:
    return {"type": "refusal", "refusal": text}


def summary_text(text: Spelled) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def reasoning(identity: str, text: Spelled | None, seal: str | None = None) -> dict[str, Any]:
    """What was thought, and what its client is to give back with it; no text where it is not shown."""
    item = {"id": identity, "type": "reasoning", "summary": [summary_text(text)] if text else []}
    return item if seal is None else {**item, "encrypted_content": seal}


def function_call(identity: str, call_id: str, name: str, arguments: Spelled, status: str) -> dict[str, Any]:
    """What is to be called."""
    return {
        "id": identity,
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": status,
    }


def usage(counts: Counts) -> dict[str, Any]:
    """Tokens in the words of responses."""
    return {
        "input_tokens": counts.input_tokens,
        "input_tokens_details": {
            "cached_tokens": counts.cached_input_tokens,
            "cache_write_tokens": counts.cache_write_tokens,
        },
        "output_tokens": counts.output_tokens,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
        "total_tokens": counts.input_tokens + counts.output_tokens,
    }


def _item(block: Block, tail: str, status: str, *, with_seals: bool) -> dict[str, Any]:
    match block:
        case Said(text):
            return message(f"msg_{tail}", output_text(text), status)
        case Refused(text):
            return message(f"msg_{tail}", refusal(text), status)
        case Thought(text, signature, redacted):
            return reasoning(f"rs_{tail}", text, seals.in_one_field(signature, redacted) if with_seals else None)
        case Called(call_id, name, arguments):
            return function_call(f"fc_{tail}", call_id, name, arguments, status)
