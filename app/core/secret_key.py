"""The key that signs tokens: from the settings, else made once and kept in the data directory."""

import os
import secrets
from pathlib import Path

from app.core.config import Settings, StartRefused

NAME = "secret_key"


def secret_key(settings: Settings) -> str:
    """The configured key; in development without one, that of an earlier start or a new one (mode 0600).

    Raises StartRefused when none can be read or kept there.
    """
    if settings.secret_key:
        return settings.secret_key.get_secret_value()
    file = settings.data_dir / NAME
    try:
        if not file.exists():
            _make(file)
        key = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise StartRefused(f"DATA_DIR: {file} cannot be used ({error.strerror})") from error
    if len(key) < 32:
        raise StartRefused(f"{file} holds no key of 32 characters or more; remove it, and a new one is made")
    return key


def _make(file: Path) -> None:
    """Whole or not at all: the name appears once the content is on disk, and only one of two starts can set it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as writer:
            writer.write(secrets.token_hex(32))
            writer.flush()
            os.fsync(writer.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            return  # another process was faster; its key is the one
    finally:
        draft.unlink()
