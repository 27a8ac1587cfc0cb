"""What the index is told of: that it has to look at documents again, in every space that it has."""

from collections.abc import Sequence

from app.database import Transaction


async def note(tx: Transaction, user_id: str, document_ids: Sequence[str | None]) -> None:
    """In the transaction that changes them. None stands for all that was the user's, who is gone.

    A space that is not there yet is filled from the rows, and needs no telling.
    """
    for space in await tx.index.spaces():
        tx.index.note(space.name, user_id, document_ids)
