"""Text of pictures, by the `tesseract` program where it is installed."""

import shutil
import subprocess
from collections.abc import Sequence
from typing import Self

_WANTED = ("chi_sim", "chi_tra", "eng")
_LISTING_SECONDS = 10.0


class Ocr:
    """Begun by the reading child, so it lives within the same limits and dies with it."""

    def __init__(self, program: str, languages: Sequence[str], seconds: float) -> None:
        self._program = program
        self._languages = languages
        self._seconds = seconds

    @classmethod
    def installed(cls, seconds: float) -> Self | None:
        """`seconds` may one page take. None where the program or each language that we know of is missing."""
        program = shutil.which("tesseract")
        if program is None:
            return None
        told = _run([program, "--list-langs"], b"", _LISTING_SECONDS).split()
        languages = [language for language in _WANTED if language in told]
        return cls(program, languages, seconds) if languages else None

    def read(self, width: int, height: int, gray: bytes) -> Sequence[str]:
        """The paragraphs of a picture of one byte a pixel; none where it fails."""
        picture = b"P5 %d %d 255\n" % (width, height) + gray
        command = [self._program, "stdin", "stdout", "-l", "+".join(self._languages)]
        told = _run(command, picture, self._seconds)
        return [part for part in told.replace("\f", "\n\n").split("\n\n") if part.strip()]


def _run(command: Sequence[str], given: bytes, seconds: float) -> str:
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=seconds, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace")
