"""Why nothing can be read from a document.

    Unreadable
    ├── Encrypted       it needs a password (one that opens without is fine)
    ├── Damaged         its form does not hold together
    ├── NoText          it opens, and nowhere in it is text
    ├── TooManyPages
    ├── TooLarge        more text, or more of something packed, than is read
    ├── TooSlow         more time than it is given
    ├── Unsupported     it is of a kind that is not read
    └── Empty           there is nothing in it

`code` is the stable word for each; `detail` is for people and says nothing of this machine.
"""

from typing import ClassVar


class Unreadable(Exception):
    code: ClassVar[str]
    default_detail: ClassVar[str]

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.default_detail
        super().__init__(self.detail)


class Encrypted(Unreadable):
    code = "encrypted"
    default_detail = "The document is protected by a password."


class Damaged(Unreadable):
    code = "damaged"
    default_detail = "The document is damaged and cannot be opened."


class NoText(Unreadable):
    code = "no_text"
    default_detail = "There is no text in the document."


class TooManyPages(Unreadable):
    code = "too_many_pages"
    default_detail = "The document has more pages than are read."


class TooLarge(Unreadable):
    code = "too_large"
    default_detail = "The document holds more than can be read."


class TooSlow(Unreadable):
    code = "too_slow"
    default_detail = "The document takes too long to read."


class Unsupported(Unreadable):
    code = "unsupported"
    default_detail = "Documents of this kind are not read."


class Empty(Unreadable):
    code = "empty"
    default_detail = "The document is empty."


BY_CODE = {
    error.code: error for error in (Encrypted, Damaged, NoText, TooManyPages, TooLarge, TooSlow, Unsupported, Empty)
}
"""To tell one again that another process has told."""
