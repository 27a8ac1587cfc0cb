"""What people think of next, from one seeded source of chance."""

import random
from collections.abc import Sequence

from tests.chaos.nonces import nonce_of
from tests.chaos.plans import Plan, Wire

_WORDS = (
    "Tell me of tea.",
    "请介绍一下茶。",
    "🍵?",
    'Say "hello"\nand\\or goodbye',
    "naïve café 𠮷野家",
    "data: {}\n\nevent: done",
)
_LATE_FAULTS = ("reset", "cut", "sever", "error")
_EARLY_FAULTS = ("429", "429:1", "503", "500", "drop")


class Drawing:
    """`troubles` is the share of questions at which the vendor fails in some way; stalls take long, and are rare."""

    def __init__(self, rng: random.Random, *, troubles: float = 0.15) -> None:
        self._rng = rng
        self._troubles = troubles

    def plan(self, user: int, serial: int) -> Plan:
        rng = self._rng
        chunks = rng.choice((1, 3, 8, 15, 25, 40))
        return Plan(
            nonce=nonce_of(user, serial),
            chunks=chunks,
            gap=rng.choice((0, 5, 20, 50, 100)),
            first=rng.choice((0, 0, 20, 200)),
            faults=self._faults(chunks),
            usage=rng.random() > 0.05,
            finish="length" if rng.random() < 0.05 else "stop",
            wire=rng.choices(_WIRES, (8, 1, 1))[0],
        )

    def question(self, plan: Plan) -> str:
        return f"{self._rng.choice(_WORDS)} {plan}"

    def chance(self, share: float) -> bool:
        return self._rng.random() < share

    def _faults(self, chunks: int) -> tuple[str, ...]:
        rng = self._rng
        if rng.random() >= self._troubles:
            return ()
        if rng.random() < 0.05:
            return (rng.choice((f"stall:{rng.randrange(chunks)}", "silence")),)
        if rng.random() < 0.5:
            return (f"{rng.choice(_LATE_FAULTS)}:{rng.randrange(chunks)}",)
        return tuple(rng.choice(_EARLY_FAULTS) for _ in range(rng.choice((1, 1, 2))))


_WIRES: Sequence[Wire] = ("frame", "burst", "bytes")
