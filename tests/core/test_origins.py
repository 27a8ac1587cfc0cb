"""Claims about which requests are this site's own."""

import pytest

from app.core.origins import same_origin

HOST = {"host": "chat.example:8443"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://chat.example:8443"},
        {"origin": "HTTPS://Chat.Example:8443"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"referer": "https://chat.example:8443/page?x=1"},
        {"host": "chat.example", "origin": "https://chat.example"},
        {"host": "chat.example:443", "origin": "https://chat.example"},
        {"host": "[::1]:8000", "origin": "http://[::1]:8000"},
        # A proxy rewrote the host; the browser knows better.
        {"host": "backend:8000", "origin": "https://chat.example", "sec-fetch-site": "same-origin"},
    ],
    ids=str,
)
def test_its_own_pages_may(headers: dict[str, str]) -> None:
    assert same_origin(HOST | headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"origin": ""},
        {"origin": "https://chat.example"},
        {"origin": "https://chat.example:8443.evil.test"},
        {"origin": "https://evil.test:8443"},
        {"origin": "https://chat.example:8443@evil.test"},
        {"origin": "http://["},
        {"origin": "chat.example:8443"},
        {"origin": "file://chat.example:8443"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "https://chat.example:8443"},
        {"sec-fetch-site": ""},
        {"referer": "https://evil.test/chat.example:8443"},
        {"referer": ""},
        {"host": "", "origin": "https://"},
    ],
    ids=str,
)
def test_pages_of_others_may_not(headers: dict[str, str]) -> None:
    assert not same_origin(HOST | headers)
