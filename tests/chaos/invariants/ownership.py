"""7. No user ever sees another's nonce."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Violation
from tests.chaos.nonces import nonces_in, owner, owners
from tests.chaos.windows import Windows


def check(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    """What clients noted while they read; each stored message; each prompt; each answer, which has one nonce only."""
    for odd in evidence.history.oddities:
        if odd.foreign:
            yield Violation(7, f"{odd.what}: {odd.detail}", odd.generation_id, user=odd.user, at=odd.at)
    for message in evidence.messages.values():
        if owners(message.content) - {message.user}:
            sentence = f"a message of user {message.user} holds another user's nonce"
            yield Violation(7, sentence, message.generation_id, user=message.user)
    for call in evidence.history.calls:
        if any(owners(text) - {owner(call.nonce)} for _, text in call.prompt):
            yield Violation(7, "a prompt holds another user's nonce", nonce=call.nonce, at=call.began)
    for generation in evidence.generations.values():
        plan, answer = evidence.plan(generation), evidence.messages.get(generation.message_id)
        if plan is not None and answer is not None and nonces_in(answer.content) - {plan.nonce}:
            yield Violation(7, "an answer holds the nonce of another turn", generation.id)
