"""Seals on reasoning, marked by who made them: no vendor takes another's, and clients may change models midway."""

_OPENAI = "openai:"


def mark(seal: str) -> str:
    """OpenAI's seal, as everybody else is to see it."""
    return _OPENAI + seal


def openai(seal: str | None) -> str | None:
    """What OpenAI is to get back of a marked seal; None for one that is not its own."""
    return seal.removeprefix(_OPENAI) if seal is not None and seal.startswith(_OPENAI) else None


def anthropic(seal: str | None) -> str | None:
    """What Anthropic, whose seals go unmarked as they have always gone, is to get back; None for one of OpenAI's."""
    return None if seal is None or seal.startswith(_OPENAI) else seal
