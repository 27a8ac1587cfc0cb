"""What of a conversation a model is shown: the system prompt always, then the newest turns that fit."""

from collections.abc import Sequence

from app.domain.cards import ModelCard
from app.domain.chat import Author, Said
from app.domain.prompts import ModelMessage, Part, Reasoning, Text
from app.domain.tokens import estimate

_PER_MESSAGE = 8
"""Tokens that a vendor's own framing of a message may take."""
_UNKNOWN_WINDOW = 32_000
"""Tokens, for a model of which nobody says how much it takes: what small current models have."""


def fit(
    history: Sequence[Said], message: str, *, system_prompt: str | None, card: ModelCard, max_tokens: int
) -> list[ModelMessage]:
    """The messages to send to the model of `card`, oldest first, ending with `message`.

    A turn is a user's message with the answers to it: it is sent whole or not at all. The newest message is always
    sent; whether it fits is for the vendor to say. Empty answers, of runs that failed before a word, are left out, and
    the questions that then follow each other become one: many models take only turns that alternate.
    """
    window = card.context_window or _UNKNOWN_WINDOW
    # A generous bound on the answer is rarely used up, and must not cost the model its memory.
    left = window - min(max_tokens, window // 2) - _cost(message) - _cost(system_prompt or "")
    kept: list[ModelMessage] = []
    for turn in reversed(_turns(history, card.name)):
        left -= sum(sum(map(_cost, _texts(each))) for each in turn)
        if left < 0:
            break
        kept[:0] = turn
    return _alternating([*kept, ModelMessage("user", message)])


def _alternating(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    joined: list[ModelMessage] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            before = joined.pop()
            joined.append(ModelMessage(message.role, _together(before, message)))
        else:
            joined.append(message)
    return joined


def _together(first: ModelMessage, second: ModelMessage) -> str | Sequence[Part]:
    if isinstance(first.content, str) and isinstance(second.content, str):
        return f"{first.content}\n\n{second.content}"
    return [*first.parts, Text("\n\n"), *second.parts]


def _turns(history: Sequence[Said], model: str) -> list[list[ModelMessage]]:
    turns: list[list[ModelMessage]] = []
    for message in history:
        if message.role is Author.USER:
            turns.append([ModelMessage("user", message.content)])
        elif message.content and turns:
            turns[-1].append(_answer(message, model))
    return turns


def _answer(message: Said, model: str) -> ModelMessage:
    """With what the model thought, for itself alone: another vendor could not read its signatures."""
    if message.reasoning and message.model == model:
        return ModelMessage("assistant", [*message.reasoning, Text(message.content)])
    return ModelMessage("assistant", message.content)


def _texts(message: ModelMessage) -> list[str]:
    return [part.text for part in message.parts if isinstance(part, Text | Reasoning)]


def _cost(text: str) -> int:
    return estimate(text) + _PER_MESSAGE
