"""What is known of the vendors' models without asking: limits in tokens, and what their vendor refuses."""

import re
from collections.abc import Mapping

from app.domain.cards import Input, ModelCard

# Where a bare model id is looked for, and a default model found: the first that is configured.
ORDER = ("anthropic", "openai", "deepseek", "ollama", "offline")

_LIMITS: Mapping[str, Mapping[str, tuple[int | None, int | None]]] = {
    "openai": {
        "gpt-5": (400_000, 128_000),
        "gpt-5-mini": (400_000, 128_000),
        "gpt-5-nano": (400_000, 128_000),
        "gpt-5.1": (400_000, 128_000),
        "gpt-5.2": (400_000, 128_000),
        "gpt-5.4": (1_050_000, 128_000),
        "gpt-5.4-mini": (400_000, 128_000),
        "gpt-5.4-nano": (400_000, 128_000),
        "gpt-5.6-sol": (1_050_000, 128_000),
        "gpt-5.6-terra": (1_050_000, 128_000),
        "gpt-5.6-luna": (1_050_000, 128_000),
        "gpt-6-astra": (1_050_000, 128_000),
        "gpt-6-sol": (1_050_000, 128_000),
        "gpt-6-luna": (1_050_000, 128_000),
        "gpt-6.1-sol": (1_050_000, 128_000),
        "gpt-6.1-terra": (1_050_000, 128_000),
        "gpt-4.1": (1_047_576, 32_768),
        "gpt-4.1-mini": (1_047_576, 32_768),
        "gpt-4.1-nano": (1_047_576, 32_768),
        "gpt-4o": (128_000, 16_384),
        "gpt-4o-mini": (128_000, 16_384),
        "o3": (200_000, 100_000),
        "o3-mini": (200_000, 100_000),
        "o4-mini": (200_000, 100_000),
    },
    "deepseek": {
        "deepseek-flash": (1_000_000, 384_000),
        "deepseek-v4-pro": (1_000_000, 384_000),
        "deepseek-v4-flash": (1_000_000, 384_000),
        # Retired by DeepSeek in July 2026; other servers still give their models these names.
        "deepseek-chat": (None, None),
        "deepseek-reasoner": (None, None),
    },
    "offline": {"responder": (None, None)},
}
DEFAULTS: Mapping[str, str] = {"openai": "gpt-6.1-terra", "deepseek": "deepseek-flash", "offline": "responder"}

_TEXT = frozenset({Input.TEXT})
_EVERYTHING = frozenset(Input)

# OpenAI's reasoning models refuse any temperature but 1; the chat variants of GPT-5 do not reason.
_REASONING = re.compile(r"(.*/)?(o\d|gpt-([5-9]|\d\d))(?!.*chat)")
_SEES = re.compile(r"(.*/)?(gpt-(4o|4\.1|[5-9]|\d\d)|o[34](?!-mini)|o4-mini)")
_DEEPSEEK_REASONS = re.compile(r"deepseek-(flash|v\d|reasoner)")
# What OpenAI's list holds beside chat models.
_NO_CHAT = re.compile(
    r"embedding|whisper|tts|dall-e|image|moderation|realtime|audio|transcribe|sora|davinci|babbage|live|instruct|"
    r"deep-research|computer-use|codex|search-api|-pro\b"
)


def card(provider: str, model: str) -> ModelCard:
    """The card of a model, bare where the table does not know it."""
    context_window, max_output_tokens = _LIMITS.get(provider, {}).get(model, (None, None))
    openai_reasons = provider == "openai" and bool(_REASONING.match(model))
    sees = provider == "openai" and bool(_SEES.match(model))
    return ModelCard(
        provider,
        model,
        context_window,
        max_output_tokens,
        takes_temperature=not openai_reasons,
        inputs=_EVERYTHING if sees else _TEXT,
        reasons=openai_reasons or (provider == "deepseek" and bool(_DEEPSEEK_REASONS.match(model))),
    )


def cards(provider: str) -> tuple[ModelCard, ...]:
    return tuple(card(provider, model) for model in _LIMITS.get(provider, {}))


def knows(provider: str, model: str) -> bool:
    return model in _LIMITS.get(provider, {})


def is_chat_model(model: str) -> bool:
    """Whether a model of OpenAI's list answers on its chat-completions route."""
    return not _NO_CHAT.search(model)
