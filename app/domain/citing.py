"""What a model writes from documents, checked on its way: marks that name sources, and what a browser would load.

`[2]` names the second source. A mark that names none is taken out. So is the `!` that makes an image of a link, and the
`<` of a tag that loads something: a document may have talked the model into having a reader's browser call somebody.
Code is left as it is; but what is code to us and may be none to others keeps its marks alone.
"""

import re

from app.domain.code_runs import CodeRuns

_NUMBERS = r"\d{1,3}(?:\s{0,2}[,，、;；–—-]\s{0,2}\d{1,3}){0,20}"
_MARK = re.compile(rf"[\[［【]\s{{0,3}}(?:\^|[Ss]ources?\s?|来源|资料)?({_NUMBERS})\s{{0,3}}[\]］】]")
_BEGUN = re.compile(r"[\[［【][\s\d,，、;；–—^Sources来源资料-]{0,180}")
"""What may become a mark: any beginning of one."""
_SPECIAL = re.compile(r"[`!<\[［【\n]")
_LOADING = (
    "img|image|svg|picture|source|video|audio|track|iframe|frame|frameset|object|embed|applet|link|script|style|input|"
    "meta|base|body|form|button|math"
)
# With attributes, any: one of them may be a style, and that name an image.
_TAG = re.compile(rf"<(?=/?(?:{_LOADING})\b|[a-z][a-z0-9-]*(?!\s?/?>)[\s/]|[a-z][a-z0-9-]{{40}})", re.I)
_TAG_BEGUN = re.compile(r"</?(?:[A-Za-z][A-Za-z0-9-]{0,40}\s?/?)?")
_IMAGE = re.compile(r"!(?=\[)")


class Marks:
    """`count` sources are counted from 1; None: there are none to be named, and marks are the model's own.

    `cited` are those that were named; `dropped` counts those that are none.
    """

    def __init__(self, count: int | None) -> None:
        self._count = count
        self._held = ""
        self._code = CodeRuns()
        self._last = ""
        self._gone = False
        """Whether a mark was taken out since `_last` was said."""
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
            text = self._apart(text)
            said.append(text)
            self._code.note(text)

    def _apart(self, text: str) -> str:
        """Nothing becomes an image or a tag by what stood between its parts being taken out."""
        image = self._last == "!" and text[0] == "[" and not self._code.hides
        tag = self._gone and (self._last == "<" or (_of_a_name(self._last) and _of_a_name(text[0])))
        self._gone = False
        self._last = text[-1]
        return f" {text}" if image or tag else text

    def _special(self, text: str, at: int, said: list[str], *, ended: bool) -> int | None:
        """Where reading goes on; None where more of the text has to come first."""
        character = text[at]
        if character == "`" and not self._code.escaped:
            return self._backticks(text, at, said, ended=ended)
        if character == "<" and not self._code.hides:
            return self._tag(text, at, said, ended=ended)
        if self._code.fence or character in "\n`":
            self._say(character, said)
            return at + 1
        if character == "!":
            return self._exclamation(text, at, said, ended=ended)
        return self._bracket(text, at, said, ended=ended)

    def _backticks(self, text: str, at: int, said: list[str], *, ended: bool) -> int | None:
        end = self._code.run(text, at, ended=ended)
        if end is None:
            return None
        span = text[at:end]
        if not span.strip("`"):
            self._say(span, said)
            return end
        if not self._code.is_sure(span):
            span = _IMAGE.sub("! ", _TAG.sub("< ", span))
        span = self._apart(span)
        said.append(span)
        self._code.note_code(span)
        return end

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
        defused = "< " if self._code.fence else "&lt;"
        self._say(defused if _TAG.match(text, at) else "<", said)
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
            checked = self._checked(mark)
            self._say(checked, said)
            self._gone = self._gone or not checked
        return mark.end()

    def _checked(self, mark: re.Match[str]) -> str:
        named = [int(number) for number in re.findall(r"\d+", mark[1])]
        known = [number for number in named if 1 <= number <= (self._count or 0)]
        self.cited.update(known)
        self.dropped += len(named) - len(known)
        if len(known) == len(named):
            return f"[{re.sub(r'[，、;；]', ',', mark[1])}]" if len(named) > 1 else f"[{known[0]}]"
        return f"[{', '.join(map(str, known))}]" if known else ""


def _of_a_name(character: str) -> bool:
    return character.isascii() and character.isalnum()


def guarded(text: str, count: int | None) -> str:
    """A whole text, checked."""
    marks = Marks(count)
    return marks.feed(text) + marks.flush()
