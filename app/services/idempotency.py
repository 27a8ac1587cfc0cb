"""What a client names itself, so that a retry gets the first outcome and never a second one."""

from dataclasses import dataclass

from app.core.errors import KeyReused
from app.database import Transaction


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's own name for a request to a route; `fingerprint` is of the body as parsed."""

    route: str
    key: str
    fingerprint: str


async def find_replay(tx: Transaction, user_id: str, key: IdempotencyKey) -> str | None:
    """The id of what an earlier request with this key began or made. Raises KeyReused when its body was another."""
    record = await tx.idempotency.find(user_id=user_id, route=key.route, key=key.key)
    if record is None:
        return None
    if record.body_hash != key.fingerprint:
        raise KeyReused
    return record.outcome_id


def remember(tx: Transaction, user_id: str, key: IdempotencyKey, outcome_id: str) -> None:
    """Record what this request has begun or made, in the transaction that does it, which may fail with KeyRace."""
    tx.idempotency.add(user_id=user_id, route=key.route, key=key.key, body_hash=key.fingerprint, outcome_id=outcome_id)
