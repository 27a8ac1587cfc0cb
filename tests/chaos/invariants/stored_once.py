"""1. Every acknowledged user message is stored once, byte for byte, in its conversation; others at most once."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, StoredMessage, Violation
from tests.chaos.history import Post, Route
from tests.chaos.windows import Windows

_REFUSED = {"conversation_busy", "validation_error", "too_many_generations", "unauthenticated", "draining"}
"""Refusals by which nothing is stored. A database that is away is not among them: its last commit may have come."""


def check(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    """Each nonce is said by one post: its stored copies are counted, compared and looked up where they belong."""
    for post in evidence.history.posts:
        if post.route is not Route.REGENERATE:
            yield from _post(evidence, post)
    said = {post.nonce for post in evidence.history.posts}
    for nonce, copies in evidence.questions.items():
        if nonce not in said:
            yield Violation(1, f"a message is stored that nobody sent: {copies[0].content[:80]!r}", nonce=nonce)
    for post in evidence.history.posts:
        begun = {each.generation_id for each in post.tries if each.acknowledged}
        if len(begun) > 1:
            yield _violation(post, f"one key, but {len(begun)} generations")


def _post(evidence: Evidence, post: Post) -> Iterator[Violation]:
    copies = evidence.questions.get(post.nonce, ())
    if len(copies) > 1:
        yield _violation(post, f"a message is stored {len(copies)} times")
    if not copies and post.acknowledged:
        yield _violation(post, "an acknowledged message is not stored")
    if copies and not post.acknowledged and post.tries and all(each.code in _REFUSED for each in post.tries):
        yield _violation(post, "a message that was refused is stored")
    for copy in copies:
        yield from _copy(evidence, post, copy)


def _copy(evidence: Evidence, post: Post, copy: StoredMessage) -> Iterator[Violation]:
    if copy.content != post.text:
        yield _violation(post, f"a message is stored differently: {copy.content[:80]!r} instead of {post.text[:80]!r}")
    acknowledged = {each.conversation_id for each in post.tries if each.acknowledged}
    wanted = acknowledged | ({post.conversation_id} if post.conversation_id is not None else set())
    if wanted - {copy.conversation_id}:
        yield _violation(post, "a message is stored in another conversation")
    if copy.user != post.user:
        yield _violation(post, f"a message is stored with user {copy.user}")
    if post.parent_id is not None and copy.parent_id != post.parent_id:
        yield _violation(post, "a message does not follow the one that it was to follow")
    edited = evidence.messages.get(post.target_id or "")
    if edited is not None and copy.parent_id != edited.parent_id:
        yield _violation(post, "an edited message does not stand beside the one that it replaces")


def _violation(post: Post, sentence: str) -> Violation:
    return Violation(1, sentence, nonce=post.nonce, user=post.user)
