"""What of a conversation a model is shown: the system prompt always, then the newest turns that fit."""

from collections.abc import Sequence

from app.domain.chat import Author, Message, ModelMessage
from app.domain.tokens import estimate

_PER_MESSAGE = 8
"""Tokens that a vendor's own framing of a message may take."""
_UNKNOWN_WINDOW = 32_000
"""Tokens, for a model of which nobody says how much it takes: what small current models have."""


def fit(
    history: Sequence[Message], message: str, *, system_prompt: str | None, window: int | None, max_tokens: int
) -> list[ModelMessage]:
    """The messages to send, oldest first, ending with `message`.

    A turn is a user's message with the answers to it: it is sent whole or not at all. The newest message is always
    sent; whether it fits is for the vendor to say. Empty answers, of runs that failed before a word, are left out, and
    the questions that then follow each other become one: many models take only turns that alternate.
    """
    window = window or _UNKNOWN_WINDOW
    # A generous bound on the answer is rarely used up, and must not cost the model its memory.
    left = window - min(max_tokens, window // 2) - _cost(message) - _cost(system_prompt or "")
    kept: list[ModelMessage] = []
    for turn in reversed(_turns(history)):
        left -= sum(_cost(each.content) for each in turn)
        if left < 0:
            break
        kept[:0] = turn
    return _alternating([*kept, ModelMessage("user", message)])


def _alternating(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    joined: list[ModelMessage] = []
    for message in messages:
        before = f"{joined.pop().content}\n\n" if joined and joined[-1].role == message.role else ""
        joined.append(ModelMessage(message.role, before + message.content))
    return joined


def _turns(history: Sequence[Message]) -> list[list[ModelMessage]]:
    turns: list[list[ModelMessage]] = []
    for message in history:
        if message.role is Author.USER:
            turns.append([ModelMessage("user", message.content)])
        elif message.content and turns:
            turns[-1].append(ModelMessage("assistant", message.content))
    return turns


def _cost(text: str) -> int:
    return estimate(text) + _PER_MESSAGE
