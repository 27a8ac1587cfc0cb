"""A process that is killed while a conversation is summed up: the turn is lost, nothing else."""

import signal

from tests.chat.reading import posting
from tests.conftest import Serve
from tests.process.conftest import Launch
from tests.upstream import Answer, Upstream

LONG = "word " * 2400
SUMMARY = "They counted."


async def test_the_conversation_goes_on_and_is_summed_up_then(
    launch: Launch, serve: Serve, upstream: Upstream, database_kind: str
) -> None:
    upstream.script(Answer(("Yes.",), usage=(10, 2)))
    upstream.script([Answer(("Half ", "of it"), hold=True), Answer((SUMMARY,))], model="small")
    process = await launch(summary_model="openai/small")
    alice = await process.user()
    conversation_id = (await alice.chat(f"0: {LONG}")).start["conversation_id"]
    for number in range(1, 9):
        await alice.chat(f"{number}: {LONG}", conversation_id=conversation_id)
    async with posting(alice, f"9: {LONG}", conversation_id=conversation_id) as reader:
        await reader.event()
        await upstream.release(1)
        process.signal(signal.SIGKILL)
        await process.exited()

    await process.start()

    lost = await alice.answer(conversation_id, within=30)
    assert (lost["status"], lost["error"]["code"], lost["content"]) == ("failed", "instance_lost", "")
    path = f"/conversations/{conversation_id}/summaries"
    assert (await alice.http.get(path)).json()["items"] == []
    after = await alice.chat("And now?", conversation_id=conversation_id)
    assert after.text == "Yes."
    (summary,) = (await alice.http.get(path)).json()["items"]
    assert summary["summary"] == SUMMARY
