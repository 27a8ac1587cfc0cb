"""Anthropic's list of models, which tells what each can take."""

from dataclasses import replace

from msgspec import Struct

from app.domain.cards import Input, ModelCard
from app.providers import shipped


class Support(Struct):
    supported: bool = False


class Capabilities(Struct):
    image_input: Support | None = None
    pdf_input: Support | None = None
    thinking: Support | None = None


class Model(Struct):
    id: str
    lifecycle: str | None = None
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    capabilities: Capabilities | None = None


class Page(Struct):
    data: list[Model]
    has_more: bool = False
    last_id: str | None = None


def card(model: Model) -> ModelCard:
    """The shipped card, corrected by what the list says.

    `max_input_tokens` is the whole context window: an answer that fills the rest of it ends there.
    """
    known = shipped.card("anthropic", model.id)
    told = model.capabilities or Capabilities()
    inputs = {
        Input.TEXT: Support(True),
        Input.IMAGE: told.image_input or Support(Input.IMAGE in known.inputs),
        Input.PDF: told.pdf_input or Support(Input.PDF in known.inputs),
    }
    return replace(
        known,
        context_window=model.max_input_tokens or known.context_window,
        max_output_tokens=model.max_tokens or known.max_output_tokens,
        inputs=frozenset(kind for kind, support in inputs.items() if support.supported),
        # How to ask a model for its thoughts is known from its name, or not at all.
        reasons=known.reasons and (told.thinking is None or told.thinking.supported),
    )
