"""Links that a vendor is asked to follow: to pictures in public, and to nothing that only it, or we, could reach."""

import re

from app.core.errors import NotSupported
from app.domain.prompts import ImageLink, ModelRequest, ToolResult

_LONGEST = 8192
# Read by one pattern rather than by a parser, for the vendor's reads it again: what two of them could take for
# different hosts (backslashes, user names, blanks, other scripts) does not match, nor do numbers in any spelling, for
# the last label of a public name begins with a letter. `0x7f.1` and `127.0.0.0x1` are addresses to many.
_PUBLIC = re.compile(
    r"https?://(?P<host>(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59}))"
    r"(?::(?:80|443))?(?:[/?#](?:[!-\[\]-~]|[^\x00-\x7f])*)?",
    re.IGNORECASE | re.ASCII,
)
# Last labels that no public name has; each is in use within houses, machines and clusters.
_PRIVATE = frozenset(
    (
        "alt",
        "arpa",
        "corp",
        "example",
        "home",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "mail",
        "onion",
        "private",
        "test",
    )
)


def check_links(request: ModelRequest) -> None:
    """Raises NotSupported for a picture that is not at a public address."""
    for message in request.messages:
        if isinstance(message.content, str):
            continue
        for part in message.content:
            for each in part.parts if isinstance(part, ToolResult) else (part,):
                if isinstance(each, ImageLink) and not is_public(each.url):
                    raise NotSupported("image_link", "A picture's link must be http or https, to a public host name.")


def is_public(url: str) -> bool:
    """Whether a link is http or https, at its usual port, to a name of the public DNS.

    What the name resolves to is for whoever follows the link to judge: it may be another a moment later.
    """
    if len(url) > _LONGEST:
        return False
    match = _PUBLIC.fullmatch(url)
    return match is not None and match["host"].lower().rpartition(".")[2] not in _PRIVATE
