"""Files that are attached to messages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attached:
    """A file as a message names it; the file itself may be gone."""

    file_id: str
    name: str
