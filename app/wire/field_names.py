"""What each door's clients call the features that a vendor may not have (see NotSupported)."""

from collections.abc import Mapping

_PICTURES = ("image", "images", "image_link", "pdf", "tool_images")
_FORMATS = ("format", "json_object", "json_schema")
_OLLAMA_OPTIONS = (
    "top_p",
    "top_k",
    "min_p",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "repeat_penalty",
    "temperature",
)

_CHAT: Mapping[str, str] = {
    **dict.fromkeys(_PICTURES, "messages"),
    **dict.fromkeys(_FORMATS, "response_format"),
    "parallel_calls": "parallel_tool_calls",
    "repeat_penalty": "repetition_penalty",
    "effort": "reasoning_effort",
}
_RESPONSES: Mapping[str, str] = {
    **dict.fromkeys(_PICTURES, "input"),
    **dict.fromkeys(_FORMATS, "text.format"),
    "parallel_calls": "parallel_tool_calls",
    "effort": "reasoning.effort",
    "verbosity": "text.verbosity",
    "max_tokens": "max_output_tokens",
}
_MESSAGES: Mapping[str, str] = {
    **dict.fromkeys(_PICTURES, "messages"),
    **dict.fromkeys(_FORMATS, "output_config.format"),
    "parallel_calls": "tool_choice.disable_parallel_tool_use",
    "stop": "stop_sequences",
    "effort": "output_config.effort",
}
_OLLAMA: Mapping[str, str] = {
    **dict.fromkeys(_PICTURES, "images"),
    **dict.fromkeys(_FORMATS, "format"),
    **{name: f"options.{name}" for name in _OLLAMA_OPTIONS},
    "max_tokens": "options.num_predict",
    "more": "options",
    "effort": "think",
}
# The first prefix that fits counts.
_NAMES = (
    ("/v1/responses", _RESPONSES),
    ("/v1/messages", _MESSAGES),
    ("/v1", _CHAT),
    ("/ollama", _OLLAMA),
)


def field_name(path: str, feature: str) -> str:
    """The field of a request to `path` by which that is asked for."""
    names = next((names for prefix, names in _NAMES if path.startswith(prefix)), {})
    return names.get(feature, feature)
