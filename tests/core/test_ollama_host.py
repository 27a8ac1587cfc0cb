"""OLLAMA_HOST is read as Ollama's own programs read it."""

import pytest

from app.core.ollama_host import parse_ollama_host


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("127.0.0.1", "http://127.0.0.1:11434"),
        (":8080", "http://127.0.0.1:8080"),
        ("", "http://127.0.0.1:11434"),
        ("GPU-box", "http://gpu-box:11434"),
        ("http://gpu-box", "http://gpu-box"),
        ("https://gpu-box:8443/", "https://gpu-box:8443"),
        ("[::1]:11434", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
    ],
)
def test_a_host_becomes_the_address_of_its_server(value: str, url: str) -> None:
    assert parse_ollama_host(value) == url


@pytest.mark.parametrize("value", ["0.0.0.0:11434", "[::]", "http://0.0.0.0:11434"])
def test_a_server_on_every_address_is_looked_for_on_this_machine(value: str) -> None:
    assert parse_ollama_host(value) == "http://127.0.0.1:11434"


def test_the_path_to_a_stand_in_is_left_out() -> None:
    assert parse_ollama_host("http://localhost:8000/ollama") == "http://localhost:8000"


@pytest.mark.parametrize("value", ["ftp://host", "two words", "host:port", "http://user@host", "http://[::1", "h?x=1"])
def test_what_is_no_host_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="looks like"):
        parse_ollama_host(value)
