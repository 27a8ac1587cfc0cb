"""What stands for the older turns of a conversation in prompts, once a model could not hold them all."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Compaction:
    """A cut through every path that goes through the message `message_id`, which stands at `position` of a branch.

    What was said up to there took about `tokens` tokens. Prompts hold `summary` in its place, which `model` wrote, or
    nothing where that is None.
    """

    id: str
    conversation_id: str
    message_id: str
    branch_id: str
    position: int
    tokens: int
    summary: str | None
    model: str | None
    created_at: datetime
