"""Claims about whose word is taken for a client's address."""

import pytest

from app.core.proxies import TrustedProxies, parse_address, parse_network

OURS = TrustedProxies([parse_network(each) for each in ("10.0.0.7", "172.16.0.0/12", "fd00::/8")])
CLIENT = "203.0.113.7"


def headers(*lines: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in lines]


@pytest.mark.parametrize(
    "peer", ["10.0.0.7", "172.19.4.97", "::ffff:172.16.0.1", "fd00::1", "fdaa:0:18:a7b:7d:f066:b83b:2"]
)
def test_a_proxy_of_ours_is_trusted(peer: str) -> None:
    assert OURS.trusts(peer)


@pytest.mark.parametrize(
    "peer", ["10.0.0.8", "172.32.0.1", "127.0.0.1", "::1", "::ffff:10.0.0.8", "unix:", "", "ac10::1"]
)
def test_nobody_else_is(peer: str) -> None:
    assert not OURS.trusts(peer)


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.0.0.7"])
def test_without_the_setting_nobody_is(peer: str) -> None:
    assert not TrustedProxies([]).trusts(peer)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.7", CLIENT),
        ("198.51.100.1, 203.0.113.7", CLIENT),  # the first is what the client said of itself
        ("198.51.100.1,203.0.113.7,172.16.0.9,10.0.0.7", CLIENT),
        ("10.0.0.7, 203.0.113.7, ::ffff:10.0.0.7", CLIENT),
        ("203.0.113.7,, ,", CLIENT),
        ("203.0.113.7:51234", CLIENT),
        ("::ffff:203.0.113.7", CLIENT),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("2001:db8:0:0::1", "2001:db8::1"),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_proxy_of_ours(forwarded: str, client: str) -> None:
    assert OURS.client(headers(("x-forwarded-for", forwarded))) == client


def test_several_lines_of_a_header_are_one_list() -> None:
    lines = headers(("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", f"{CLIENT}, 10.0.0.7"))

    assert OURS.client(lines) == CLIENT


def test_what_fly_says_comes_first() -> None:
    # On Fly the last hop is the address of the app itself.
    lines = headers(("x-forwarded-for", "198.51.100.1, 203.0.113.7, 66.241.124.9"), ("fly-client-ip", CLIENT))

    assert OURS.client(lines) == CLIENT


@pytest.mark.parametrize(
    "value",
    ["", "unknown", "127.0.0.1", "::1", "::ffff:127.0.0.2", "203.0.113.7, 198.51.100.1", "<script>", "1" * 10_000],
)
def test_what_is_no_address_of_fly_is_passed_over(value: str) -> None:
    lines = headers(("fly-client-ip", value), ("x-forwarded-for", CLIENT))

    assert OURS.client(lines) == CLIENT


def test_two_answers_of_fly_are_none() -> None:
    lines = headers(("fly-client-ip", "198.51.100.1"), ("fly-client-ip", "198.51.100.2"), ("x-forwarded-for", CLIENT))

    assert OURS.client(lines) == CLIENT


@pytest.mark.parametrize(
    "forwarded",
    [
        "",
        " , ,",
        "10.0.0.7, 172.16.0.9",
        "unknown",
        "127.0.0.1",
        f"{CLIENT}, ::1",  # what is open to this host alone would be open to all
        f"{CLIENT}, _hidden",  # nobody vouches for what stands before it
        f"{CLIENT}, fe80::1%eth0",
        f"{CLIENT}, [",
        f"{CLIENT}, 10.0.0.7:80:80",
        f"{CLIENT}, 127.1",
        f"{CLIENT}, ٣.0.113.7",
        f"{CLIENT}, \x00\xff",
        "9" * 10_000,
        "," * 10_000,
        "[" * 10_000,
        f"{CLIENT}, " + "10.0.0.7, " * 1000,
    ],
    ids=lambda value: value[:24],
)
def test_where_no_client_is_told_there_is_none(forwarded: str) -> None:
    assert OURS.client(headers(("x-forwarded-for", forwarded))) is None


@pytest.mark.parametrize("name", ["x-real-ip", "forwarded", "true-client-ip", "x-client-ip", "cf-connecting-ip"])
def test_other_headers_say_nothing(name: str) -> None:
    assert OURS.client(headers((name, CLIENT))) is None


@pytest.mark.parametrize("value", ["https", "HTTPS", " https "])
def test_the_scheme_is_what_the_proxy_was_asked_by(value: str) -> None:
    assert OURS.scheme(headers(("x-forwarded-proto", value))) == "https"


@pytest.mark.parametrize(
    "values", [[], [""], ["gopher"], ["https, http"], ["https", "http"], ["https\x00"], ["h" * 10_000]]
)
def test_anything_else_is_no_scheme(values: list[str]) -> None:
    assert OURS.scheme(headers(*(("x-forwarded-proto", value) for value in values))) is None


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.7", "10.0.0.7/32"),
        ("172.16.0.0/12", "172.16.0.0/12"),
        ("::1", "::1/128"),
        ("fdaa::/16", "fdaa::/16"),
        ("::ffff:10.0.0.7", "10.0.0.7/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ],
)
def test_a_proxy_is_an_address_or_a_network(text: str, network: str) -> None:
    assert str(parse_network(text)) == network


@pytest.mark.parametrize(
    "text", ["*", "localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.7:80", "10.0.0.0/8 ::1", "fly"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"like 10\.0\.0\.7 or 172\.16\.0\.0/12"):
        parse_network(text)


def test_a_client_has_one_spelling() -> None:
    assert {
        str(parse_address(each)) for each in (CLIENT, f"::ffff:{CLIENT}", "::FFFF:CB00:7107", f" {CLIENT}:80 ")
    } == {CLIENT}
