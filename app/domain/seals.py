"""What seals a thought and what stands for one, in the one field that OpenAI's responses have for both."""

_REDACTED = "redacted:"
"""Before what its vendor shows only encrypted. No seal begins so: Anthropic's are base64, and OpenAI's are marked."""


def in_one_field(signature: str | None, redacted: str | None) -> str | None:
    """`encrypted_content` of a thought; None for one without a seal."""
    return _REDACTED + redacted if redacted else signature or None


def apart(field: str | None) -> tuple[str | None, str | None]:
    """The `signature` and the `redacted` of such a field, at most one of them."""
    if field is None or not field.startswith(_REDACTED):
        return field or None, None
    return None, field.removeprefix(_REDACTED) or None
