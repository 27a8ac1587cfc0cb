"""What each door's protocol can say and each vendor's can hear, written by hand from their references.

Most features are named as in `app.providers.abilities`. Besides: `midway`, a system message in the midst of it all;
`thoughts` and their `seals`; `order`, of what a model said and called; `picture_order`, among what a user said;
`choice`, whether tools are called; `failed`, of a result; `detail` of a picture; `format_name`; `marks`;
`ids`, by which results are tied to their calls.
"""

from collections.abc import Mapping

_TALK = frozenset({"midway", "images", "tools", "max_tokens", "temperature", "top_p", "effort", "thoughts", "ids"})
_CHOOSING = frozenset({"choice", "tool_choice", "parallel_calls", "strict"})
_PENALTIES = frozenset({"presence_penalty", "frequency_penalty"})
_FORMATS = frozenset({"json_object", "json_schema"})
_SHOWN = frozenset({"image_link", "pdf", "picture_order"})
_LOCAL = frozenset({"top_k", "min_p", "repeat_penalty"})
"""How servers of one's own draw an answer."""
_ANTHROPIC = frozenset({"tool_images", "failed", "seals", "marks", "order", "json_schema", "top_k", "stop"})

DOORS: Mapping[str, frozenset[str]] = {
    "chat": _TALK
    | _CHOOSING
    | _PENALTIES
    | _FORMATS
    | _SHOWN
    | _LOCAL
    | {"tool_images", "detail", "format_name", "stop", "seed", "logit_bias", "verbosity"},
    "responses": _TALK
    | _CHOOSING
    | _FORMATS
    | _SHOWN
    | {"tool_images", "detail", "format_name", "verbosity", "order", "seals"},
    "messages": _TALK | _CHOOSING | _SHOWN | _ANTHROPIC,
    "ollama": _TALK | _PENALTIES | _FORMATS | _LOCAL | {"stop", "seed"},
}
_OPENAI = (_TALK - {"thoughts"}) | _CHOOSING | _PENALTIES | _FORMATS | _SHOWN
VENDORS: Mapping[str, frozenset[str]] = {
    "openai": _OPENAI | {"detail", "format_name", "stop", "seed", "logit_bias"},
    "openai-responses": (_OPENAI - _PENALTIES)
    | {"detail", "format_name", "verbosity", "tool_images", "order", "seals"},
    "compatible": _OPENAI | _LOCAL | {"detail", "format_name", "stop", "seed", "logit_bias", "verbosity"},
    "deepseek": _TALK | _PENALTIES | {"choice", "tool_choice", "json_object", "stop", "pdf", "picture_order", "detail"},
    "anthropic": (_TALK - {"midway", "thoughts"}) | _CHOOSING | _SHOWN | _ANTHROPIC,
    "ollama": _TALK | _PENALTIES | _FORMATS | _LOCAL | {"choice", "stop", "seed"},
}
_LEFT_OUT = frozenset(
    {"midway", "thoughts", "seals", "order", "picture_order", "failed", "detail", "format_name", "marks", "strict"}
)
"""Without these a request still asks for the same: who does not know them is asked without."""


def shared(door: str, vendor: str) -> frozenset[str]:
    """What can be said at the door and need not be refused for the vendor's sake."""
    return DOORS[door] & (VENDORS[vendor] | _LEFT_OUT)


def refused(door: str, vendor: str) -> frozenset[str]:
    """What can be said at the door and has to be refused."""
    return DOORS[door] - VENDORS[vendor] - _LEFT_OUT


MODELS: Mapping[str, str] = {
    "compatible": "openai/gpt",
    "deepseek": "deepseek/deepseek-flash",
    "anthropic": "anthropic/claude-sonnet-4-6",
    "ollama": "ollama/llama",
}
"""As the served app knows them; at the loopback vendor's address nobody is OpenAI itself."""
_PICTURES = ("image_link", "pdf", "tool_images")
_FORMATTING = ("json_object", "json_schema")
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "chat": {
        **dict.fromkeys(_PICTURES, "messages"),
        **dict.fromkeys(_FORMATTING, "response_format"),
        "parallel_calls": "parallel_tool_calls",
        "repeat_penalty": "repetition_penalty",
    },
    "responses": {
        **dict.fromkeys(_PICTURES, "input"),
        **dict.fromkeys(_FORMATTING, "text.format"),
        "parallel_calls": "parallel_tool_calls",
        "verbosity": "text.verbosity",
    },
    "messages": {
        **dict.fromkeys(_PICTURES, "messages"),
        **dict.fromkeys(_FORMATTING, "output_config.format"),
        "parallel_calls": "tool_choice.disable_parallel_tool_use",
        "stop": "stop_sequences",
    },
    "ollama": {
        **dict.fromkeys(_FORMATTING, "format"),
        **{name: f"options.{name}" for name in (*_LOCAL, *_PENALTIES, "stop", "seed", "top_p")},
    },
}


def field(door: str, feature: str) -> str:
    """By which a client asks for it."""
    return _FIELDS[door].get(feature, feature)
