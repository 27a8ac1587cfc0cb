"""What is known of the vendors' models without asking: limits in tokens, and what their vendor refuses."""

import re
from collections.abc import Mapping

from app.domain.cards import Input, ModelCard
from app.providers.claude import Claude

# Where a bare model id is looked for, and a default model found: the first that is configured.
ORDER = ("anthropic", "openai", "deepseek", "ollama", "offline")
# Their models come and go with a machine of somebody's own, and only its server knows them.
LOCAL = frozenset({"ollama"})

_LIMITS: Mapping[str, Mapping[str, tuple[int | None, int | None]]] = {
    "anthropic": {
        "claude-sonnet-5-5": (1_000_000, 128_000),
        "claude-opus-5-5": (1_000_000, 128_000),
        "claude-haiku-5-5": (1_000_000, 128_000),
        "claude-fable-5-2": (1_000_000, 128_000),
        "claude-fable-5-1": (1_000_000, 128_000),
        "claude-opus-5": (1_000_000, 128_000),
        "claude-sonnet-5": (1_000_000, 128_000),
        "claude-opus-4-8": (1_000_000, 128_000),
        "claude-opus-4-7": (1_000_000, 128_000),
        "claude-opus-4-6": (1_000_000, 128_000),
        "claude-sonnet-4-6": (1_000_000, 128_000),
        "claude-opus-4-5": (200_000, 64_000),
        "claude-haiku-4-5": (200_000, 64_000),
    },
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
DEFAULTS: Mapping[str, str] = {
    "anthropic": "claude-sonnet-5-5",
    "openai": "gpt-6.1-terra",
    "deepseek": "deepseek-flash",
    "offline": "responder",
}

_TEXT = frozenset({Input.TEXT})
_EVERYTHING = frozenset(Input)

# OpenAI's reasoning models refuse any temperature but 1; the chat variants of GPT-5 do not reason.
_REASONING = re.compile(r"(.*/)?(o\d|gpt-([5-9]|\d\d))(?!.*chat)")
_SEES = re.compile(r"(.*/)?(gpt-(4o|4\.1|[5-9]|\d\d)|o[34](?!-mini)|o4-mini)")
# Anthropic's older models are listed by their day.
_DAY = re.compile(r"-20\d{6}$")
_DEEPSEEK_REASONS = re.compile(r"deepseek-(flash|v\d|reasoner)")
# What OpenAI's list holds beside chat models.
_NO_CHAT = re.compile(
    r"embedding|whisper|tts|dall-e|image|moderation|realtime|audio|transcribe|sora|davinci|babbage|live|instruct|"
    r"deep-research|computer-use|codex|search-api|-pro\b"
)


def card(provider: str, model: str) -> ModelCard:
    """The card of a model, bare where the table does not know it."""
    if provider == "anthropic":
        return _claude(model)
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


def _claude(model: str) -> ModelCard:
    context_window, max_output_tokens = _LIMITS["anthropic"].get(_DAY.sub("", model), (None, None))
    claude = Claude.named(model)
    return ModelCard(
        "anthropic",
        model,
        context_window,
        max_output_tokens,
        takes_temperature=claude is None or claude.takes_temperature,
        inputs=_EVERYTHING if claude and claude.sees else _TEXT,
        reasons=claude is not None and claude.thinks,
    )


def canonical(provider: str, model: str) -> str:
    """The one id of a model that has several: Ollama takes any without a tag for `latest`."""
    return model.removesuffix(":latest") if provider == "ollama" else model


def cards(provider: str) -> tuple[ModelCard, ...]:
    return tuple(card(provider, model) for model in _LIMITS.get(provider, {}))


def knows(provider: str, model: str) -> bool:
    return model in _LIMITS.get(provider, {})


def is_chat_model(model: str) -> bool:
    """Whether a model of OpenAI's list answers on its chat-completions route."""
    return not _NO_CHAT.search(model)
