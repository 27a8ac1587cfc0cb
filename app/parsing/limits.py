"""What reading one document may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    page_seconds: float = 20.0
    """Wall and CPU time for one page, and for opening the document."""
    seconds: float = 900.0
    """Wall and CPU time for the whole of it; waiting for whoever takes the pages does not count."""
    memory: int = 512 * 1024 * 1024
    """Bytes of address space of the child, beside the file itself."""
    pages: int = 5_000
    characters: int = 10_000_000
    """Of text in all."""
    unpacked: int = 256 * 1024 * 1024
    """Bytes that the parts of an office file may have, unpacked, in all."""
    restarts: int = 8
    """How many pages may kill the child; what follows after that many is not tried."""
    ocr: bool = True
    """Whether scanned pages are read by Tesseract, where that is installed."""
