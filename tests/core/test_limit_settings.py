"""Settings of limits and of Redis: empty is off, wherever it is said, and what cannot be meant is refused in a line."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.config import Settings, StartRefused, read_settings

LIMITS = ("rate_limit_ai", "rate_limit_auth", "rate_limit_default", "login_failures")
AT_ONCE = ("max_concurrent_generations", "max_concurrent_generations_per_user")


def _settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]  # each value is validated


def test_the_defaults_are_those_that_are_promised() -> None:
    settings = _settings()

    assert [getattr(settings, name) for name in LIMITS] == ["30/minute", "20/minute", "600/minute", "10/15 minutes"]
    assert [getattr(settings, name) for name in AT_ONCE] == [200, 8]
    assert settings.redis_url is None


@pytest.mark.parametrize("name", [*LIMITS, *AT_ONCE])
def test_an_empty_limit_is_off(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text(f"{name.upper()}=\n", encoding="utf-8")

    assert not getattr(_settings(**{name: ""}), name)
    assert not getattr(Settings(_env_file=file), name)
    monkeypatch.setenv(name.upper(), "")
    assert not getattr(_settings(), name)


def test_an_empty_limit_of_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("RATE_LIMIT_AI=5/minute\n", encoding="utf-8")
    monkeypatch.setenv("RATE_LIMIT_AI", "")

    assert Settings(_env_file=file).rate_limit_ai == ""


def test_any_other_setting_that_is_empty_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("OPENAI_API_KEY=sk-of-the-file\nPORT=\nREDIS_URL=\nCORS_ORIGINS=\n", encoding="utf-8")
    monkeypatch.setenv("OPENAI_API_KEY", "")

    settings = Settings(_env_file=file)

    assert settings.openai_api_key is not None
    assert (settings.port, settings.redis_url, settings.cors_origins) == (8000, None, [])


@pytest.mark.parametrize(
    "limit", ["30/minute", "1 per 2 seconds", "10/15 minutes", "20/minute;100/hour", "5/day, 1/second"]
)
def test_a_limit_is_written_as_people_do(limit: str) -> None:
    assert _settings(rate_limit_ai=limit).rate_limit_ai == limit


@pytest.mark.parametrize(
    "limit",
    ["thirty", "30", "30/fortnight", "0/minute", "5/minute;0/hour", "-1/minute", "1/9999999 day", "1/minute;", "∞"],
)
def test_what_is_no_limit_is_refused_in_one_line(limit: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RATE_LIMIT_AI", limit)

    with pytest.raises(StartRefused) as refused:
        read_settings()

    (line,) = str(refused.value).splitlines()
    assert line.startswith("RATE_LIMIT_AI: ")
    assert "empty, it is off" in line


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5"])
def test_a_number_at_once_is_one_at_least(number: str) -> None:
    with pytest.raises(ValidationError, match="max_concurrent_generations"):
        _settings(max_concurrent_generations=number)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6379/2",
        "redis://:p%40ss@10.0.0.7:6379",
        "rediss://default:secret@cache.example.com:6380/0?ssl_cert_reqs=none",
        "redis://[::1]:6379",
        "unix:///run/redis.sock",
        "unix:///run/redis.sock?db=3",
    ],
)
def test_where_a_redis_may_be(url: str) -> None:
    settings = _settings(redis_url=url)

    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://:canary@localhost",
        "redis://:canary@",
        "redis://:canary@localhost:port",
        "redis://:canary@localhost:99999",
        "redis://:canary@localhost/name",
        "redis://:canary@localhost/0?socket_timeout=60",
        "redis://:canary@localhost/0?db=first",
        "rediss://:canary@localhost/0?ssl_cert_reqs=maybe",
        "redis://:canary@[localhost",
        "unix://",
    ],
)
def test_what_is_no_redis_is_refused_in_one_line_without_its_password(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", url)

    with pytest.raises(StartRefused) as refused:
        read_settings()

    (line,) = str(refused.value).splitlines()
    assert line.startswith("REDIS_URL: a Redis URL looks like redis://")
    assert "canary" not in line
