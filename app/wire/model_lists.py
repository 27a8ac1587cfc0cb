"""Models in the words of OpenAI's and Anthropic's clients at once: each passes over what is meant for the other."""

from collections.abc import Mapping, Sequence

import msgspec

from app.domain.cards import ModelCard

_SINCE = "1970-01-01T00:00:00Z"
"""Nobody tells since when there is a model; Anthropic has the first of all days for that."""


def model_list(cards: Sequence[ModelCard], *, more: bool) -> bytes:
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [_model(card) for card in cards],
            "has_more": more,
            "first_id": cards[0].name if cards else None,
            "last_id": cards[-1].name if cards else None,
        }
    )


def model(card: ModelCard) -> bytes:
    return msgspec.json.encode(_model(card))


def _model(card: ModelCard) -> Mapping[str, object]:
    known = {"max_input_tokens": card.context_window, "max_tokens": card.max_output_tokens}
    return {
        "id": card.name,
        "object": "model",
        "created": 0,
        "owned_by": card.provider,
        "type": "model",
        "display_name": card.id,
        "lifecycle": "active",
        "created_at": _SINCE,
        **{name: tokens for name, tokens in known.items() if tokens is not None},
    }
