"""What vectors of a user's texts took is told to that user, like all else that was used."""

import io
import json
import zipfile
from uuid import uuid4

from app.domain.embedding import Bill
from app.domain.events import Usage
from app.domain.usage import Attempt, Purpose
from tests.backend import Backend


async def test_vectors_are_in_the_report_and_in_the_export(backend: Backend) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    identity = (await alice.http.get("/users/me")).json()["id"]
    attempt = Attempt(1, "ollama", "bge-m3", Usage(120, 0), True, None, "complete", Purpose.EMBEDDING)
    async with backend.house.database.transaction() as tx:
        tx.usage.book_embedding(identity, Bill(str(uuid4()), attempt))

    (day,) = (await alice.http.get("/users/me/usage")).json()["items"]
    assert (day["model"], day["input_tokens"], day["unpriced"], day["estimated"]) == ("ollama/bge-m3", 120, 1, 1)
    assert (await bob.http.get("/users/me/usage")).json()["items"] == []
    archive = (await alice.http.get("/users/me/export", timeout=60)).content
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        (row,) = json.loads(files.read("usage.json"))
    assert (row["purpose"], row["generation_id"], row["conversation_id"]) == ("embedding", None, None)
