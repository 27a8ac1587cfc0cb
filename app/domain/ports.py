"""What services need of rooms that they may not import, as Protocols."""

from collections.abc import Sequence
from typing import Protocol


class LiveGenerations(Protocol):
    """The runs of models that go on at present, on whichever instance."""

    async def stop_all_of(self, user_id: str) -> None:
        """Stop every run of a user, upstream too, and return once they have ended; none running is no error."""


class JobQueue(Protocol):
    """Whoever carries out jobs, here or elsewhere. The rows say what is to be done: a word only makes it sooner."""

    def wake(self, job_id: str) -> None:
        """This job was committed, and waits."""

    def halt(self, job_id: str) -> None:
        """This job was cancelled: who works on it here stops at once; elsewhere it is found out by itself."""


class JobRunner(JobQueue, Protocol):
    """The same with the standing work that it takes."""

    async def begin(self) -> None:
        """Nobody else works on this database: what was being done when the last process ended is done at once."""

    async def run_forever(self) -> None:
        """Have jobs done."""

    async def drain(self) -> None:
        """Begin nothing more, and leave what is being done here for another to go on with."""


class JobPost(Protocol):
    """The way to processes that do jobs. Each message is a turn for one of them, and says no more than that: which job
    is due is looked up. So one too many is harmless, and one that was lost is sent again."""

    async def send(self, job_ids: Sequence[str]) -> None:
        """A message for each of these jobs. Raises Away."""

    async def length(self) -> int:
        """How many messages nobody has taken yet. Raises Away."""
