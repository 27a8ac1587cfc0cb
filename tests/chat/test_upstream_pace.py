"""A vendor may be slow as long as it goes on; one that stalls is given up; and who waits is told that we live."""

import asyncio

import pytest

from tests.chat.conftest import Service
from tests.chat.faults import COUNT, VENDORS
from tests.chat.reading import posting
from tests.sse import Stream, parse
from tests.upstream import Answer, Scenario, Silence, Stall, Upstream

PING = b": ping"
SLOW = 0.25
"""Between two words: longer than until a ping, shorter than an app waits that is hasty."""


async def watch(service: Service, model: str) -> list[bytes]:
    """All blocks of an answer, pings too."""
    async with posting(service.alice, "Count", model=model) as reader:
        async with asyncio.timeout(15):
            while parse(block := await reader.block() + b"\n\n") == [] or b'"done"' not in block:
                pass
        blocks: list[bytes] = reader.seen
        return blocks


async def watch_all(service: Service, vendor: Upstream, scenario: Scenario) -> list[list[bytes]]:
    """At every vendor at once."""
    vendor.script(scenario)
    return await asyncio.gather(*(watch(service, f"{at}/model") for at in VENDORS))


def read(blocks: list[bytes]) -> Stream:
    return Stream.of(b"".join(block + b"\n\n" for block in blocks))


async def test_a_slow_answer_is_waited_for_with_pings(hasty: Service, vendor: Upstream) -> None:
    for blocks in await watch_all(hasty, vendor, Answer(COUNT[:4], first_delay=SLOW, delay=SLOW)):
        stream = read(blocks)
        assert (stream.text, stream.done["status"]) == ("1 2 3 4 ", "complete")
        words = [number for number, block in enumerate(blocks) if b'"text"' in block]
        assert len(words) == 4
        assert PING in blocks[: words[-1]]  # not before each: on a busy machine what is late comes together
    assert len(vendor.calls) == len(VENDORS)


@pytest.mark.parametrize("scenario", [Silence(), Answer(fault=Stall(0))], ids=["before-the-head", "behind-the-head"])
async def test_who_hangs_before_the_first_word_is_given_up_after_pings(
    hasty: Service, vendor: Upstream, scenario: Scenario
) -> None:
    for blocks in await watch_all(hasty, vendor, scenario):
        stream = read(blocks)
        assert (stream.failure["code"], stream.text) == ("upstream_timeout", "")
        assert PING in blocks[:-2]


async def test_who_stalls_in_the_middle_is_given_up_after_pings(hasty: Service, vendor: Upstream) -> None:
    for blocks in await watch_all(hasty, vendor, Answer(COUNT, fault=Stall(3))):
        stream = read(blocks)
        assert (stream.failure["code"], stream.text) == ("upstream_timeout", "1 2 3 ")
        last_word = max(number for number, block in enumerate(blocks) if b'"text"' in block)
        assert PING in blocks[last_word:-2]


@pytest.mark.parametrize("at", VENDORS)
async def test_who_waits_for_the_first_word_can_stop(patient: Service, vendor: Upstream, at: str) -> None:
    vendor.script(Silence())
    async with posting(patient.alice, "Count", model=f"{at}/model") as reader:
        start = (await reader.event()).json
        await vendor.requested()
        stopped = await patient.alice.http.post(f"/ai/generations/{start['generation_id']}/stop")
        rest = await reader.rest()
    assert stopped.status_code == 202
    assert rest[-1].json["status"] == "stopped"
    assert (await vendor.ended(within=10)).ended == "aborted"
