"""What a .dockerignore keeps out of a build."""

import re
from pathlib import PurePosixPath


class DockerIgnore:
    """Of all patterns that fit a path or one of its folders the last one decides, as Docker has it."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        self._rules = [
            (not line.startswith("!"), _pattern(line.removeprefix("!"))) for line in lines if line and line[0] != "#"
        ]

    def excludes(self, path: str) -> bool:
        decided = False
        places = [path, *map(str, PurePosixPath(path).parents)][: path.count("/") + 1]
        for excluded, pattern in self._rules:
            if any(pattern.fullmatch(place) for place in places):
                decided = excluded
        return decided


def _pattern(glob: str) -> re.Pattern[str]:
    spelled = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob.strip("/"))
    return re.compile("".join(spelled.get(part, re.escape(part)) for part in parts))
