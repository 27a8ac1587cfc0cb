"""What can go wrong at a vendor, and what has to come of it: the same at each of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.upstream import (
    Answer,
    Cut,
    Drop,
    EndlessHeaders,
    Filler,
    Frame,
    InBandError,
    Page,
    Refusal,
    Refuse,
    Reset,
    Scenario,
    Silence,
    Stall,
    Wire,
)

VENDORS = ("openai", "deepseek", "anthropic", "ollama")

VENDOR = "Canary: the vendor's own words about sk-loopback-key"
# Where a vendor says in a sentence what others have a code for.
BUSY = f"Server busy, please try again. {VENDOR}"
TOO_OFTEN = f"Too many requests. {VENDOR}"
TOO_LONG = f"The prompt is too long: it exceeds the context length. {VENDOR}"

COUNT = tuple(f"{number} " for number in range(1, 21))
TWELVE = "".join(COUNT[:12])
GARBAGE = Frame(b'data: {"oops\n\n')
FINE = Answer(("Fine.",), usage=(5, 1))


@dataclass(frozen=True)
class Fault:
    """What a vendor does, None being away; what is to come of it, after how many attempts, with how much text.

    `not_at` names the vendors that have no such thing, and why; `billed_by`, those that say what it cost all the same.
    A `hasty` one is seen by an app that waits for tenths of seconds only.
    """

    name: str
    scenario: Scenario | None
    code: str
    retryable: bool
    attempts: int = 1
    text: str = ""
    hasty: bool = False
    not_at: Mapping[str, str] = field(default_factory=dict)
    billed_by: frozenset[str] = frozenset()


def refusing(status: int, message: str = VENDOR, **headers: str) -> Refuse:
    return Refuse(status, message=message, headers={name.replace("_", "-"): value for name, value in headers.items()})


def broken(fault: Cut | Reset | Stall | InBandError) -> Answer:
    return Answer(COUNT, fault=fault)


def page(body: bytes, status: int = 200, kind: str = "text/html", **headers: str) -> Page:
    return Page(body, status, kind, {name.replace("_", "-"): value for name, value in headers.items()})


UNMARKED = Answer(COUNT[:12], finish=None, done=False, usage=None)
HUGE = ("Hel", Filler(2 << 20), "lo")
SOON = {"retry_after_ms": "20"}
NO_REFUSALS = {
    "deepseek": "its filter ends an answer, see content-filter",
    "ollama": "a model just says that it will not",
}
NO_FILTER = {"ollama": "nothing stands between a model and its user"}
ALL_LIMITS = {"ollama": "its cloud calls every limit the same, see 429-always"}
NOBODY_ELSES = dict.fromkeys(("openai", "anthropic", "ollama"), "it does not give up midway without an error")

FAULTS = [
    # The vendor refuses: what will not pass is not tried again.
    Fault("400", refusing(400), "upstream_error", False),
    Fault("401-bad-key", refusing(401), "upstream_auth", False),
    Fault("403-forbidden", refusing(403), "upstream_auth", False),
    Fault("404-unknown-model", refusing(404), "upstream_error", False),
    Fault("418", refusing(418), "upstream_error", False),
    Fault("context-too-long", Refuse(400, "context_length", TOO_LONG), "context_too_long", False),
    Fault("402-no-credit", Refuse(402, "quota", VENDOR), "upstream_rate_limited", True),
    Fault("429-quota", Refuse(429, "quota", VENDOR), "upstream_rate_limited", True, not_at=ALL_LIMITS),
    # It is too busy: once more, unless it says to come back later than in 5 s.
    Fault("429-always", refusing(429, **SOON), "upstream_rate_limited", True, attempts=2),
    Fault("429-for-6s", refusing(429, retry_after="6"), "upstream_rate_limited", True),
    Fault("503-always", refusing(503, **SOON), "upstream_overloaded", True, attempts=2),
    Fault("503-for-an-hour", refusing(503, retry_after="3600"), "upstream_overloaded", True),
    Fault(
        "529-overloaded", Refuse(529, "overloaded", VENDOR, {"retry-after-ms": "20"}), "upstream_overloaded", True, 2
    ),
    # It, or what stands before it, is broken.
    Fault("500-always", refusing(500), "upstream_error", True, attempts=2),
    Fault("page-502", page(VENDOR.encode(), 502, **SOON), "upstream_error", True, attempts=2),
    Fault("page-200", page(VENDOR.encode()), "upstream_protocol", True),
    Fault("broken-json-200", page(b'{"error"', kind="application/json"), "upstream_protocol", True),
    Fault("json-error-200", Refuse(200, message=VENDOR), "upstream_error", True, attempts=2),
    Fault("endless-headers", EndlessHeaders(), "upstream_error", True, attempts=2),
    # The connection breaks before the first word: once more.
    Fault("away", None, "upstream_error", True, attempts=2),
    Fault("drop", Drop(), "upstream_error", True, attempts=2),
    Fault("drop-reset", Drop(reset=True), "upstream_error", True, attempts=2),
    Fault("cut-after-0", broken(Cut(0)), "upstream_cut", True, attempts=2),
    Fault("sever-after-0", broken(Cut(0, terminated=False)), "upstream_cut", True, attempts=2),
    Fault("reset-after-0", broken(Reset(0)), "upstream_cut", True, attempts=2),
    # Or behind it: what was said is kept, and nothing is said twice.
    Fault("cut-after-12", broken(Cut(12)), "upstream_cut", True, text=TWELVE),
    Fault("sever-after-12", broken(Cut(12, terminated=False)), "upstream_cut", True, text=TWELVE),
    Fault("reset-after-12", broken(Reset(12)), "upstream_cut", True, text=TWELVE),
    Fault("no-finish-marker", UNMARKED, "upstream_cut", True, text=TWELVE),
    # It falls silent.
    Fault("silence", Silence(), "upstream_timeout", True, hasty=True),
    Fault("stall-at-head", broken(Stall(0)), "upstream_timeout", True, hasty=True),
    Fault("stall-after-12", broken(Stall(12)), "upstream_timeout", True, text=TWELVE, hasty=True),
    # It fails in the middle of an answer, and says so.
    Fault("error-after-3", broken(InBandError(3, message=VENDOR)), "upstream_error", True, text="1 2 3 "),
    Fault("busy-after-3", broken(InBandError(3, "overloaded", BUSY)), "upstream_overloaded", True, text="1 2 3 "),
    Fault(
        "limit-after-3", broken(InBandError(3, "rate_limited", TOO_OFTEN)), "upstream_rate_limited", True, text="1 2 3 "
    ),
    Fault(
        "gave-up-after-3",
        Answer(COUNT[:3], finish="insufficient_system_resource"),
        "upstream_overloaded",
        True,
        text="1 2 3 ",
        not_at=NOBODY_ELSES,
    ),
    # It sends what nobody can read.
    Fault("garbage-after-3", Answer((*COUNT[:3], GARBAGE, *COUNT[3:])), "upstream_protocol", True, text="1 2 3 "),
    Fault("huge-line", Answer(HUGE), "upstream_protocol", True, text="Hel"),
    Fault("gzip-bomb", Answer(HUGE, wire=Wire(gzip=True)), "upstream_protocol", True, text="Hel"),
    # The model declines.
    Fault(
        "content-filter",
        Answer(COUNT[:3], finish="content_filter"),
        "refused",
        False,
        text="1 2 3 ",
        not_at=NO_FILTER,
        billed_by=frozenset({"openai", "deepseek", "anthropic"}),
    ),
    Fault(
        "refusal",
        Answer((Refusal(VENDOR),)),
        "refused",
        False,
        not_at=NO_REFUSALS,
        billed_by=frozenset({"openai", "deepseek", "anthropic"}),
    ),
]
BY_NAME = {fault.name: fault for fault in FAULTS}
