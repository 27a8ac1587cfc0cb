"""Models in the words of Ollama's clients, as if each were here."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec

from app.domain.cards import Input, ModelCard

RUNNING = "Ollama is running"
VERSION = "0.40.12"
"""Of the Ollama whose words these are: clients ask for some version at least."""
_SINCE = "1970-01-01T00:00:00Z"
_LATEST = ":latest"


def tags(cards: Sequence[ModelCard]) -> bytes:
    return msgspec.json.encode({"models": [_listed(card) for card in cards]})


def shown(card: ModelCard) -> bytes:
    return msgspec.json.encode(
        {
            "modelfile": "",
            "parameters": "",
            "template": "",
            "details": _details(card),
            "model_info": _info(card),
            "capabilities": _capabilities(card),
            "modified_at": _SINCE,
        }
    )


def loaded() -> bytes:
    """None is held in the memory of this machine by this server."""
    return msgspec.json.encode({"models": []})


def version() -> bytes:
    return msgspec.json.encode({"version": VERSION})


def ollama_name(card: ModelCard) -> str:
    """As an Ollama calls its own, with a tag, and others by their exact name."""
    if card.provider != "ollama":
        return card.name
    return card.id if ":" in card.id.rpartition("/")[2] else f"{card.id}{_LATEST}"


def _listed(card: ModelCard) -> Mapping[str, object]:
    name = ollama_name(card)
    return {
        "name": name,
        "model": name,
        "modified_at": _SINCE,
        "size": 0,
        "digest": sha256(name.encode()).hexdigest(),
        "details": _details(card),
    }


def _details(card: ModelCard) -> Mapping[str, object]:
    return {
        "parent_model": "",
        "format": "",
        "family": card.provider,
        "families": [card.provider],
        "parameter_size": "",
        "quantization_level": "",
    }


def _info(card: ModelCard) -> Mapping[str, object]:
    """Where clients look for the length of a context: by the name of the architecture."""
    info: dict[str, object] = {"general.architecture": card.provider, "general.basename": card.id}
    if card.context_window is not None:
        info[f"{card.provider}.context_length"] = card.context_window
    return info


def _capabilities(card: ModelCard) -> Sequence[str]:
    if card.embeds:
        return ["embedding"]
    able = {"vision": Input.IMAGE in card.inputs, "tools": card.calls_tools, "thinking": card.reasons}
    return ["completion", *(name for name, does in able.items() if does)]
