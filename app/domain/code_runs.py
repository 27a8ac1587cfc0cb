"""Where code begins and ends in an answer that comes piece by piece, as those see it who render it as Markdown."""

import re

_BACKTICKS = re.compile("`+")
_BLANK = re.compile(r"[ \t]{0,64}")
_SPACE = " \t"
"""Others are text to Markdown, in which a line that begins with one begins no fence."""
_ODD = re.compile(r"~~~|\$\$|<[A-Za-z/!?]|\\[\[(]")
"""Begins what some take for code, mathematics or HTML, in which backticks mean nothing."""
_FENCE = 3
_SURE_INDENT = 3
"""Columns: a fence further in is one only within a list."""
_LONGEST_INDENT = 64
_LONGEST_RUN = 64
_LONGEST_CODE = 200
"""Backticks, and characters of code within a line or behind a fence in its line, that are waited for."""


class CodeRuns:
    """What was said so far, as far as that tells what is code.

    `sure` tells whether everybody takes for code what is so here. It ends for good with the first thing on which
    renderers differ, or which only those can tell who keep account of lists, quotations and paragraphs: whoever talks a
    model into writing something that is code to us and none to a browser must gain nothing.
    """

    def __init__(self) -> None:
        self.fence = 0
        """How many backticks have opened the block of code that we are in."""
        self.sure = True
        self.escaped = False
        """Whether a backslash takes the meaning from what comes next."""
        self._line: str | None = ""
        """The white space that the line began with; None once more was said in it."""
        self._indent = 0
        self._tail = ""
        self._dollars = False

    @property
    def hides(self) -> bool:
        """Whether whatever comes now is code to everybody."""
        return self.fence > 0 and self.sure

    def note(self, text: str) -> None:
        """This is said, and no code within a line."""
        if not self.fence:
            window = self._tail + text
            self.sure = self.sure and _ODD.search(window) is None
            self._dollars = self._dollars or "$" in text
            self._tail = window[-2:]
        self._move(text)

    def note_code(self, span: str) -> None:
        """This is said, and code within a line."""
        self.sure = self.is_sure(span)
        self._tail = ""
        self._move(span)

    def run(self, text: str, at: int, *, ended: bool) -> int | None:
        """Where the code ends that backticks begin here, or else these; None where more of the text has to come first.

        A block of code is entered, or left, by them alone.
        """
        end = at
        while end < len(text) and text[end] == "`" and end - at < _LONGEST_RUN:
            end += 1
        run = end - at
        if end == len(text) and not ended and run < _LONGEST_RUN:
            return None
        if self.fence:
            return self._close(text, end, run, ended=ended)
        if run >= _FENCE and self._line is not None:
            behind = _behind(text, end, ended=ended)
            if behind is None:
                return None
            if "`" not in behind:
                self._open(run, self._line, len(behind) < _LONGEST_CODE)
                return end
        closed = self._closed(text, end, run, ended=ended) if run < _LONGEST_RUN else 0
        if closed == 0:
            self.sure = False  # it may be closed in another line
            return end
        return closed

    def is_sure(self, span: str) -> bool:
        """Whether everybody takes this for code within a line: it may be two cells of a table, or have its beginning in
        a formula."""
        return self.sure and not self._dollars and "|" not in span and "\r" not in span

    def _open(self, run: int, line: str, whole: bool) -> None:
        """`whole` if all is known of what stands behind it."""
        self.fence, self._indent = run, _columns(line)
        self.sure = self.sure and whole and run < _LONGEST_RUN and self._indent <= _SURE_INDENT and "\t" not in line

    def _close(self, text: str, end: int, run: int, *, ended: bool) -> int | None:
        if self._line is None or run < self.fence:
            return end
        blank = _BLANK.match(text, end)
        behind = blank.end() if blank else end
        if behind == len(text) and not ended and behind - end < _LONGEST_INDENT:
            return None
        if behind < len(text) and text[behind] != "\n":
            return end
        columns = _columns(self._line)
        if self._indent:
            self.sure = self.sure and columns == self._indent
        elif columns > _SURE_INDENT:
            return end
        self.fence = 0
        self._line = None
        return end

    def _closed(self, text: str, start: int, run: int, *, ended: bool) -> int | None:
        """Where code ends that began in this line; 0 where nothing closes it, so that it is none."""
        most = start + _LONGEST_CODE
        for found in _BACKTICKS.finditer(text, start, most):
            if "\n" in text[start : found.start()] or found.end() == most:
                return 0
            if found.end() - found.start() == run:
                return found.end() if ended or found.end() < len(text) else None
        waits = not ended and len(text) < most and "\n" not in text[start:]
        return None if waits else 0

    def _move(self, text: str) -> None:
        slashes = len(text) - len(text.rstrip("\\"))
        before = self.escaped and slashes == len(text)
        self.escaped = (slashes + before) % 2 == 1
        self.sure = self.sure and "\r" not in text  # the end of a line, to some
        _, newline, rest = text.rpartition("\n")
        line = rest if newline else (None if self._line is None else self._line + rest)
        if line is not None and (line.strip(_SPACE) or len(line) > _LONGEST_INDENT):
            indent = _columns(line[: len(line) - len(line.lstrip(_SPACE))])
            self.sure = self.sure and (not self.fence or indent >= self._indent)  # a list may have ended, and its code
            line = None
        self._line = line


def _behind(text: str, end: int, *, ended: bool) -> str | None:
    """What stands behind a fence in its line, as much of it as counts; None where more has to come first."""
    behind, newline, _ = text[end : end + _LONGEST_CODE].partition("\n")
    return behind if newline or ended or len(behind) == _LONGEST_CODE else None


def _columns(blank: str) -> int:
    return len(blank.expandtabs(4))
