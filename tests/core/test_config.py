"""The settings: documented to the last one, and refused where they are unsafe."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.config import Settings

_EXAMPLE = Path(__file__).parent.parent.parent / ".env.example"


def _settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]  # each value is validated


def test_every_setting_is_in_the_example_and_nothing_else_is() -> None:
    named = set(re.findall(r"^([A-Z0-9_]+)=", _EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))

    assert named == {name.upper() for name in Settings.model_fields}


def test_the_example_says_the_defaults() -> None:
    assert Settings(_env_file=_EXAMPLE) == _settings()


def test_lists_are_comma_separated() -> None:
    assert _settings(cors_origins="https://a.example, https://b.example").cors_origins == [
        "https://a.example",
        "https://b.example",
    ]


@pytest.mark.parametrize(
    "key", [None, "short", "your-32-char-secret-key-your-32-char", "changeme-changeme-changeme-changeme"]
)
def test_production_refuses_to_start_without_a_real_secret_key(key: str | None) -> None:
    with pytest.raises(ValidationError, match="SECRET_KEY"):
        _settings(environment="production", secret_key=key)


def test_production_starts_with_a_real_secret_key() -> None:
    assert _settings(environment="production", secret_key="5f" * 10 + "0c9a7be41d2388d6")


def test_a_refused_setting_does_not_show_its_value() -> None:
    with pytest.raises(ValidationError) as refused:
        _settings(environment="production", secret_key="hunter2")

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["localhost:8080/v1", "http://[::1", "ftp://host/v1", "http://", "https://host/v1?key=1"]
)
def test_a_base_url_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="base URL"):
        _settings(openai_base_url=url)


@pytest.mark.parametrize("url", ["http://localhost:8080/v1", "https://api.example.com", "http://[::1]:8080/v1"])
def test_a_base_url_is_taken_as_it_is_written(url: str) -> None:
    assert _settings(openai_base_url=url).openai_base_url == url


def test_an_origin_is_known_with_or_without_its_slash() -> None:
    assert _settings(cors_origins="https://App.example/").cors_origins == ["https://app.example"]


def test_what_is_no_origin_is_refused() -> None:
    with pytest.raises(ValidationError, match="origin"):
        _settings(cors_origins="https://app.example/page")


@pytest.mark.parametrize("password", ["changeme", "short!", "your-password-here"])
def test_production_refuses_to_make_an_admin_with_a_placeholder(password: str) -> None:
    with pytest.raises(ValidationError, match="FIRST_ADMIN_PASSWORD"):
        _settings(
            environment="production",
            secret_key="5f" * 10 + "0c9a7be41d2388d6",
            first_admin_email="ada@example.com",
            first_admin_password=password,
        )


@pytest.mark.parametrize("token", ["short", "your-metrics-token-here"])
def test_production_refuses_a_metrics_token_that_can_be_guessed(token: str) -> None:
    with pytest.raises(ValidationError, match="METRICS_TOKEN"):
        _settings(environment="production", secret_key="5f" * 10 + "0c9a7be41d2388d6", metrics_token=token)


def test_proxies_are_addresses_and_networks() -> None:
    proxies = _settings(trusted_proxies="127.0.0.1, fd00::/8,").trusted_proxies

    assert [str(each) for each in proxies] == ["127.0.0.1/32", "fd00::/8"]


@pytest.mark.parametrize("proxies", ["*", "localhost", "127.0.0.1, 10.0.0.1/8"])
def test_what_is_no_proxy_is_refused(proxies: str) -> None:
    with pytest.raises(ValidationError, match=r"like 10\.0\.0\.7 or 172\.16\.0\.0/12"):
        _settings(trusted_proxies=proxies)


@pytest.mark.parametrize("headers", ["secret", "a b=1", "=1", "name=1,secret", "name=a\nb"])
def test_headers_for_a_collector_that_cannot_be_read_are_refused_unseen(headers: str) -> None:
    with pytest.raises(ValidationError, match="headers look like") as refused:
        _settings(otel_exporter_otlp_headers=headers)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("values", "endpoint"),
    [
        ({}, None),
        ({"otel_exporter_otlp_endpoint": "http://host:4318"}, "http://host:4318/v1/traces"),
        ({"otel_exporter_otlp_endpoint": "https://host/otlp/"}, "https://host/otlp/v1/traces"),
        ({"otel_exporter_otlp_traces_endpoint": "http://host:4318/own"}, "http://host:4318/own"),
        ({"otel_exporter_otlp_endpoint": "http://a", "otel_exporter_otlp_traces_endpoint": "http://b"}, "http://b"),
    ],
)
def test_traces_go_where_opentelemetrys_variables_say(values: dict[str, str], endpoint: str | None) -> None:
    assert _settings(**values).traces_endpoint == endpoint


def test_production_takes_no_cheaper_hashes_than_the_default() -> None:
    assert _settings(password_memory_kib=64).password_memory_kib == 64
    with pytest.raises(ValueError, match="PASSWORD_MEMORY_KIB"):
        _settings(environment="production", secret_key="5f" * 10 + "0c9a7be41d2388d6", password_memory_kib=19455)
