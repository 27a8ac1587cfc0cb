"""The ledger of upstream attempts."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, insert

from app.domain.chat import Generation
from app.domain.usage import Attempt
from app.models.usage import usage_records
from app.repositories.base import Repository, new_id, now

_ADD = insert(usage_records)
_DROP = delete(usage_records).where(usage_records.c.generation_id == bindparam("generation"))


class UsageRepository(Repository):
    def book(self, generation: Generation, attempts: Sequence[Attempt], *, again: bool) -> None:
        """Book the upstream calls of a run; `again`, in place of what may be booked for it already.

        A commit whose answer was lost is repeated, and an owner that was thought dead knows better than the estimate of
        the instance that took over: neither may count twice.
        """
        if again:
            self._connection.later(_DROP, {"generation": generation.id})
        rows = [
            {
                "id": new_id(),
                "user_id": generation.user_id,
                "conversation_id": generation.conversation_id,
                "generation_id": generation.id,
                "attempt": attempt.number,
                "provider": attempt.provider,
                "model": attempt.model,
                "input_tokens": attempt.usage.input_tokens,
                "output_tokens": attempt.usage.output_tokens,
                "cached_input_tokens": attempt.usage.cached_input_tokens,
                "cache_write_tokens": attempt.usage.cache_write_tokens,
                "reasoning_tokens": attempt.usage.reasoning_tokens,
                "cost": attempt.cost,
                "outcome": attempt.outcome,
                "estimated": attempt.estimated,
                "created_at": now(),
            }
            for attempt in attempts
        ]
        if rows:
            self._connection.later(_ADD, rows)
