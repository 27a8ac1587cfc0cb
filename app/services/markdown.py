"""A path of a conversation as Markdown, to be read by people.

What was said stands as it is. So that none of it can pass for a message of its own, each message has a heading with its
id, which nobody could know when what stands before it was said; and a code block, a comment or raw HTML that is left
open ends with the message that it stands in.
"""

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from itertools import chain

from app.domain.chat import Author, Conversation, Message, Status
from app.domain.downloads import Piece
from app.services.conversation_reading import Reader

_LINE = re.compile(r"(?<![^\r\n])(?: {0,3}[`~<]|[^\r\n]*>)[^\r\n]*")
"""One that may begin or end a block. To Python many more characters end a line than to Markdown."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_RAW = [
    # HTML that goes on over empty lines, by CommonMark: what begins it, until when, and how we end it.
    (re.compile(rf" {{0,3}}{begin}", re.IGNORECASE), re.compile(until, re.IGNORECASE), end)
    for begin, until, end in (
        (r"<(pre|script|style|textarea)(?:[\s>]|$)", r"</(?:pre|script|style|textarea)>", r"</\1>"),
        (r"<!--", r"-->", "-->"),
        (r"<\?", r"\?>", "?>"),
        (r"<!\[CDATA\[", r"\]\]>", "]]>"),
        (r"<![a-z]", r">", ">"),
    )
]
_ENDINGS = {
    Status.STOPPED: "This answer was stopped.",
    Status.FAILED: "This answer failed.",
    Status.STREAMING: "This answer is still being written.",
}


async def markdown(
    reader: Reader, name: str, conversation: Conversation, leaf_id: str | None
) -> AsyncGenerator[Piece, None]:
    """The path that ends in `leaf_id`, root first. Raises NotFound when the conversation is deleted meanwhile."""
    yield Piece(name, partial(_head, conversation))
    if leaf_id is None:
        return
    async with aclosing(reader.path(conversation.id, leaf_id)) as pages:
        async for page in pages:
            yield Piece(name, partial(_spell, page))


def _head(conversation: Conversation) -> bytes:
    begun = f"Begun {_moment(conversation.created_at)}. "
    begun += "Every message below has a heading with its id; whatever else looks like one was said."
    lines = [f"# {_one_line(conversation.title)}", "", begun]
    if conversation.system_prompt:
        lines += ["", "## System prompt", "", *_closed(conversation.system_prompt)]
    return "\n".join([*lines, ""]).encode()


def _spell(page: Sequence[Message]) -> bytes:
    return "".join(f"\n---\n\n{line}\n" for each in page for line in ["\n".join(_lines(each))]).encode()


def _lines(message: Message) -> Iterator[str]:
    who = "User" if message.role is Author.USER else f"Assistant · {_one_line(message.model or 'unknown model')}"
    yield f"## {who} · {_moment(message.created_at)} · `{message.id}`"
    yield ""
    yield from _closed(message.content)
    if (ending := _ENDINGS.get(message.status)) is not None:
        why = f" {_one_line(message.failure.detail)}" if message.failure else ""
        yield ""
        yield f"*{ending}*{why}"


def _closed(text: str) -> Iterator[str]:
    """The text, and the end of a block that it leaves open, which would swallow all that follows."""
    yield text
    lines = (found[0] for found in _LINE.finditer(text))
    end: str | None = None
    for line in lines:
        end = _open_fence(line, lines) or _open_html(line, lines)
    if end is not None:
        yield end


def _open_fence(line: str, rest: Iterator[str]) -> str | None:
    """What would end the code that begins here, if the rest does not: it is read as far as the code goes.

    It ends at a line of its own character, at least as long as the one that began it.
    """
    begun = _FENCE.fullmatch(line)
    if begun is None or (begun[1][0] == "`" and "`" in begun[2]):
        return None
    for each in rest:
        found = _FENCE.fullmatch(each)
        if found is not None and found[1].startswith(begun[1]) and not found[2].strip(" \t"):
            return None
    return begun[1]


def _open_html(line: str, rest: Iterator[str]) -> str | None:
    """The same of raw HTML."""
    for begin, until, end in _RAW:
        if (begun := begin.match(line)) is not None:
            return None if any(until.search(each) for each in chain([line], rest)) else begun.expand(end)
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
