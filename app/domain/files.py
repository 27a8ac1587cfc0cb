"""What users upload: what is known of a file, under what its bytes are kept, and what it may be called."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

LONGEST_NAME = 200
"""Characters."""
_LONGEST_ENDING = 20
_LOOKED_AT = (1000, 40)
"""Characters from the front and from the end: to normalize 64 KB of marks that belong to one letter takes a second."""
_NAMELESS = "file"
# What cannot be seen and changes what is: a name that is turned round ends otherwise than it seems to. Those two join
# letters and emoji.
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A user's file. `media_type` is by its content; `sha256` in hexadecimal, `size` in bytes."""

    id: str
    user_id: str
    blob_id: str
    name: str
    media_type: str
    size: int
    sha256: str
    created_at: datetime
    uploaded: bool = True
    """Whether it was uploaded for itself; if not, it goes with the last document that was made of it."""

    @property
    def blob(self) -> str:
        return blob_key(self.user_id, self.blob_id)


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from `start` up to, and without, `end`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def blob_key(user_id: str, blob_id: str) -> str:
    """Made of ids alone: no name that anybody gave is ever part of a path. Each upload has one of its own, so that
    who deletes a file never takes away what another upload of the same content has just brought."""
    return f"{user_id}/{blob_id}"


def clean_name(given: str) -> str:
    """A file's name as it is shown: the last part of a path, on one line, without what cannot be seen, and not too
    long; its ending is kept."""
    name = unicodedata.normalize("NFC", _looked_at(re.split(r"[/\\]", given)[-1]))
    name = "".join(each if each.isprintable() or each in _JOINERS else " " for each in name)
    name = " ".join(name.split()).rstrip(" .")
    return _shortened(name) or _NAMELESS


def _looked_at(name: str) -> str:
    front, end = _LOOKED_AT
    return name if len(name) <= front + end else name[:front] + name[-end:]


def _shortened(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > _LONGEST_ENDING:
        return name[:LONGEST_NAME]
    return f"{stem[: LONGEST_NAME - len(ending) - 1]}.{ending}"
