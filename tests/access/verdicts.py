"""What an answer says, as far as it matters who asked; and what was answered otherwise than it should have been."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from app.wire.doors import Door, door_at


def verdict(answer: httpx.Response) -> tuple[int, str]:
    """The status, and the code of a refusal."""
    problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.status_code, answer.json()["code"] if problem else ""


def seen(answer: httpx.Response) -> tuple[int, Any]:
    """All that a client sees of a refusal but the request's own id."""
    problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.status_code, {**answer.json(), "request_id": None} if problem else answer.content


def refused(path: str, status: int, code: str) -> tuple[int, str]:
    """The verdict of a refusal at this address: the doors answer in the words of other protocols, without our codes."""
    return status, code if door_at(path) is Door.OWN else ""


@dataclass(slots=True)
class Wrong:
    """Collects, so that one run shows all that is wrong."""

    found: list[str] = field(default_factory=list)
    asked: int = 0

    def that(self, right: bool, words: str) -> None:
        self.asked += 1
        if not right:
            self.found.append(words)

    def unless(self, right: bool, answer: httpx.Response, *about: object) -> None:
        self.that(right, f"{' · '.join(map(str, about))}: {answer.status_code} {answer.text[:300]}")

    def expect(self, answer: httpx.Response, expected: tuple[int, str], *about: object) -> None:
        expected = refused(answer.request.url.path, *expected)
        self.unless(verdict(answer) == expected, answer, *about, f"not {expected}")

    def check(self, at_least: int) -> None:
        assert not self.found, "\n" + "\n".join(self.found)
        assert self.asked >= at_least, f"only {self.asked} requests were made"
