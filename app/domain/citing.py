"""What a model writes from documents, checked on its way: marks that name sources, and images.

`[2]` names the second source. A mark that names none is taken out. So is the `!` that makes an image of a link, and the
`<` of a tag that loads something: a document may have talked the model into having a reader's browser call somebody.
Code is left as it is.
"""

import re

_NUMBERS = r"\d{1,3}(?:\s{0,3}[,，、;；–—-]\s{0,3}\d{1,3}){0,40}"
_MARK = re.compile(rf"[\[［【]\s{{0,3}}(?:\^|[Ss]ources?\s?|来源|资料)?({_NUMBERS})\s{{0,3}}[\]］】]")
_BEGUN = re.compile(r"[\[［【][\s\d,，、;；–—^Sources来源资料-]{0,60}")
"""What may become a mark."""
_SPECIAL = re.compile(r"[`!<\[［【\n]")
_TAG = re.compile(
    r"<(?=/?(?:img|image|svg|picture|source|video|audio|iframe|object|embed|link|script|style|input)\b)", re.I
)
_TAG_BEGUN = re.compile(r"</?[A-Za-z]{0,7}")
_BACKTICKS = re.compile("`+")
_FENCE = 3
_LONGEST_RUN = 64
_LONGEST_CODE = 200
"""Backticks, and characters of code within a line, that are waited for."""


class Marks:
    """`count` sources are counted from 1; None: there are none to be named, and marks are the model's own.

    `cited` are those that were named; `dropped` counts those that are none.
    """

    def __init__(self, count: int | None) -> None:
        self._count = count
        self._held = ""
        self._fence = 0
        """How many backticks have opened the block of code that we are in."""
        self._line_is_blank = True
        """Whether nothing but white space was said since the line began."""
        self._escaped = False
        self.cited: set[int] = set()
        self.dropped = 0

    def feed(self, text: str) -> str:
        """What can be said of the answer so far, besides what was said before."""
        return self._read(self._held + text, ended=False)

    def flush(self) -> str:
        """What was held back, for nothing follows."""
        return self._read(self._held, ended=True)

    def _read(self, text: str, *, ended: bool) -> str:
        said: list[str] = []
        place = 0
        self._held = ""
        while found := _SPECIAL.search(text, place):
            at = found.start()
            self._say(text[place:at], said)
            end = self._special(text, at, said, ended=ended)
            if end is None:
                self._held = text[at:]
                return "".join(said)
            place = end
        self._say(text[place:], said)
        return "".join(said)

    def _say(self, text: str, said: list[str]) -> None:
        if text:
            said.append(text)
            self._line_is_blank = not text.rpartition("\n")[2].strip() and (self._line_is_blank or "\n" in text)
            self._escaped = text.endswith("\\") and not text.endswith("\\\\")

    def _special(self, text: str, at: int, said: list[str], *, ended: bool) -> int | None:
        """Where reading goes on; None where more of the text has to come first."""
        character = text[at]
        if character == "`" and not self._escaped:
            return self._backticks(text, at, said, ended=ended)
        if self._fence or character in "\n`":
            self._say(character, said)
            return at + 1
        if character == "!":
            return self._exclamation(text, at, said, ended=ended)
        if character == "<":
            return self._tag(text, at, said, ended=ended)
        return self._bracket(text, at, said, ended=ended)

    def _backticks(self, text: str, at: int, said: list[str], *, ended: bool) -> int | None:
        end = at
        while end < len(text) and text[end] == "`":
            end += 1
        run = end - at
        if end == len(text) and not ended and run < _LONGEST_RUN:
            return None
        if self._fence or (run >= _FENCE and self._line_is_blank):
            if not self._fence:
                self._fence = run
            elif self._line_is_blank and run >= self._fence:
                self._fence = 0
        elif run < _LONGEST_RUN:
            closed = self._closed(text, end, run, ended=ended)
            if closed is None:
                return None
            end = max(end, closed)
        self._say(text[at:end], said)
        return end

    def _closed(self, text: str, start: int, run: int, *, ended: bool) -> int | None:
        """Where code ends that began in this line; 0 where nothing closes it, so that it is none."""
        for found in _BACKTICKS.finditer(text, start, start + _LONGEST_CODE):
            if "\n" in text[start : found.start()]:
                return 0
            if found.end() - found.start() == run:
                return found.end() if ended or found.end() < len(text) else None
        waits = not ended and len(text) - start < _LONGEST_CODE and "\n" not in text[start:]
        return None if waits else 0

    def _exclamation(self, text: str, at: int, said: list[str], *, ended: bool) -> int | None:
        if at + 1 == len(text) and not ended:
            return None
        if text.startswith("[", at + 1):
            mark = _MARK.match(text, at + 1)
            if mark is None or (mark.end() == len(text) and not ended):
                if not ended and (mark is not None or _BEGUN.fullmatch(text, at + 1)):
                    return None
                return at + 1  # what follows is a link then
            if text[mark.end() : mark.end() + 1] in ("(", "[", ":"):
                return at + 1
        self._say("!", said)
        return at + 1

    def _tag(self, text: str, at: int, said: list[str], *, ended: bool) -> int | None:
        if not ended and _TAG_BEGUN.fullmatch(text, at):
            return None
        self._say("&lt;" if _TAG.match(text, at) else "<", said)
        return at + 1

    def _bracket(self, text: str, at: int, said: list[str], *, ended: bool) -> int | None:
        mark = _MARK.match(text, at) if self._count is not None else None
        if mark is None:
            if self._count is not None and not ended and _BEGUN.fullmatch(text, at):
                return None
            self._say(text[at], said)
            return at + 1
        if mark.end() == len(text) and not ended:
            return None  # what follows tells whether it is a link
        if text.startswith("(", mark.end()):
            self._say(text[at : mark.end()], said)
        else:
            self._say(self._checked(mark), said)
        return mark.end()

    def _checked(self, mark: re.Match[str]) -> str:
        named = [int(number) for number in re.findall(r"\d+", mark[1])]
        known = [number for number in named if 1 <= number <= (self._count or 0)]
        self.cited.update(known)
        self.dropped += len(named) - len(known)
        if len(known) == len(named):
            return f"[{re.sub(r'[，、;；]', ',', mark[1])}]" if len(named) > 1 else f"[{known[0]}]"
        return f"[{', '.join(map(str, known))}]" if known else ""


def guarded(text: str, count: int | None) -> str:
    """A whole text, checked."""
    marks = Marks(count)
    return marks.feed(text) + marks.flush()
