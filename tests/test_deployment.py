"""Claims about the image and about Fly: that their files fit each other and the code, and that what they make runs."""

import importlib.util
import json
import os
import re
import shlex
import signal
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from app.core.config import Settings
from app.core.proxies import TrustedProxies
from app.database import Database
from tests.backend import Client
from tests.deployment.dockerfile import read
from tests.deployment.dockerignore import DockerIgnore
from tests.deployment.image import Image
from tests.ports import free_port

ROOT = Path(__file__).parent.parent
STAGES = read((ROOT / "Dockerfile").read_text(encoding="utf-8"))
IMAGE = STAGES[""]
IGNORED = DockerIgnore((ROOT / ".dockerignore").read_text(encoding="utf-8"))
FLY: dict[str, Any] = tomllib.loads((ROOT / "fly.toml").read_text(encoding="utf-8"))
RELEASE = shlex.split(FLY["deploy"]["release_command"])

PYTHONS_OWN = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
SECRET_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2


def settings(**environment: str) -> Settings:
    """What the service makes of the image's environment, with Fly's on top."""
    values = {**IMAGE.environment, **FLY["env"], "SECRET_KEY": SECRET_KEY, **environment}
    known = {name.lower(): value for name, value in values.items() if name not in PYTHONS_OWN}
    return Settings(_env_file=None, **known)


def copied() -> list[str]:
    return [source for stage in STAGES.values() for copy in stage.copies if not copy.stage for source in copy.sources]


# --- The files ---------------------------------------------------------------


@pytest.mark.parametrize("environment", [IMAGE.environment, FLY["env"]], ids=["image", "fly"])
def test_all_that_is_set_is_a_setting(environment: dict[str, str]) -> None:
    assert {name.lower() for name in environment.keys() - PYTHONS_OWN} <= Settings.model_fields.keys()
    assert settings().production


def test_no_secret_is_in_either_file() -> None:
    secret = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert "secret_key" in secret

    # The address of a file holds none.
    assert {name.lower() for name in {**IMAGE.environment, **FLY["env"]}} & secret <= {"database_url"}
    assert not re.search(r"sk-|[0-9a-f]{32}|password|token", json.dumps(FLY), re.IGNORECASE)


def test_everybody_means_the_same_port() -> None:
    port = settings().port

    assert IMAGE.exposed == (str(port),)
    assert FLY["http_service"]["internal_port"] == port
    assert {check["port"] for check in FLY["checks"].values()} == {port}
    assert settings().host == "0.0.0.0"  # noqa: S104 - Fly's proxy, and a container's host, come from outside


def test_all_that_is_kept_is_on_the_volume() -> None:
    volume = Path(FLY["mounts"]["destination"])
    database = Database(settings())

    assert settings().data_dir == volume
    assert database.file is not None
    assert database.file.parent == volume


def test_the_platform_waits_ten_seconds_longer_than_answers_may_go_on() -> None:
    assert FLY["kill_timeout"] - 10 == settings().drain_seconds
    assert FLY["kill_timeout"] <= 300, "the most that Fly grants"
    assert FLY["kill_signal"] == IMAGE.stop_signal == "SIGTERM"


def test_streams_are_never_silent_for_as_long_as_the_proxy_bears() -> None:
    assert settings().ping_seconds < 60


def test_fly_keeps_one_machine_running_and_reaches_it_by_https() -> None:
    service = FLY["http_service"]

    assert (service["auto_stop_machines"], service["auto_start_machines"]) == ("off", True)
    assert service["min_machines_running"] == 1
    assert service["force_https"] is True


def test_a_machine_takes_more_readers_than_it_writes_answers() -> None:
    concurrency = FLY["http_service"]["concurrency"]

    assert concurrency["type"] == "connections"
    assert settings().max_concurrent_generations < concurrency["soft_limit"] < concurrency["hard_limit"]


def test_who_is_not_ready_gets_no_requests_and_who_lives_is_only_noted() -> None:
    assert [check["path"] for check in FLY["http_service"]["checks"]] == ["/ready"]
    assert [check["path"] for check in FLY["checks"].values()] == ["/health"]


def test_the_client_is_whom_flys_proxy_names_and_nobody_else_is_asked() -> None:
    proxies = TrustedProxies(settings().trusted_proxies)

    assert proxies.trusts("172.19.4.97"), "the host's end of a machine's private link"
    assert not proxies.trusts("fdaa:0:18:a7b:7d:f066:b83b:2"), "another app of the same organization"
    assert not proxies.trusts("127.0.0.1")


def test_the_base_is_a_small_python_that_the_packages_support() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim-[a-z]+", IMAGE.base)

    assert version is not None
    assert tuple(map(int, version.groups())) >= lowest


def test_packages_come_from_the_lock_alone_and_are_not_compiled() -> None:
    (install,) = (run.script for run in STAGES["packages"].runs)

    assert "--require-hashes -r requirements.lock" in install
    assert "--only-binary=:all:" in install
    assert "--no-cache-dir" in install


def test_the_image_holds_nothing_to_build_with() -> None:
    said = " ".join(run.script for run in IMAGE.runs)

    assert not re.search(r"\b(apt|apt-get|pip|gcc|make|curl|wget|git|build-essential)\b", said)


def test_the_service_is_nobody_special() -> None:
    user, group = map(int, IMAGE.user.split(":"))

    assert user >= 1000
    assert group >= 1000


def test_only_what_the_image_needs_is_sent_to_build_it() -> None:
    for source in copied():
        path = ROOT / source
        assert path.exists(), source
        for file in [path] if path.is_file() else path.rglob("*"):
            name = file.relative_to(ROOT).as_posix()
            assert IGNORED.excludes(name) == ("__pycache__" in name), name
    for path in ROOT.iterdir():
        assert IGNORED.excludes(path.name) == (path.name not in {*copied(), "Dockerfile"}), path.name


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        ".env",
        "app/.env",
        "data/app.db",
        "tests/backend.py",
        "app/__pycache__/main.cpython-313.pyc",
        "app/core/__pycache__/config.cpython-313.pyc",
        "node_modules/x",
    ],
)
def test_secrets_data_and_tests_stay_out_of_the_build(path: str) -> None:
    assert IGNORED.excludes(path)


@pytest.mark.parametrize("command", [list(IMAGE.command), RELEASE], ids=["service", "release"])
def test_a_command_is_one_of_our_modules_and_no_shell(command: list[str]) -> None:
    assert command[:2] == ["python", "-m"]
    assert importlib.util.find_spec(command[2]) is not None


def commands(readme: str) -> list[str]:
    """What it says to type for Docker and Fly, without what it says about it."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [
        re.sub(r"\s*(^|\s)#.*", "", line)
        for block in blocks
        if re.search(r"^(fly|docker) ", block, re.MULTILINE)
        for line in block.splitlines()
    ]
    return [line for line in lines if line]


def test_both_readmes_say_to_type_the_same() -> None:
    english = commands("README.md")

    assert commands("README.zh-CN.md") == english
    assert len(english) > 20


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readme_knows_the_user_and_how_long_to_wait(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    by_default = Settings.model_fields["drain_seconds"].default

    assert f"chown {IMAGE.user}`" in text
    assert f"--stop-timeout {by_default + 10:.0f} " in text
    assert re.search(rf"\b{settings().drain_seconds:.0f} (s|秒)", text), "how long answers may go on, on Fly"


# --- What they make ----------------------------------------------------------


class Container(Client):
    """The service, started from the image."""

    def __init__(self, image: Image, **environment: str) -> None:
        super().__init__()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._image = image
        self._environment = {"SECRET_KEY": SECRET_KEY, "PORT": str(port), **environment}
        self.process: Popen[bytes] = image.start(IMAGE.command, **self._environment)

    @property
    def owner(self) -> int:
        return Path(f"/proc/{self.process.pid}").stat().st_uid

    def healthy(self) -> bool:
        code, _ = self._image.run(IMAGE.healthcheck, **self._environment)
        return code == 0

    def wait_healthy(self) -> None:
        deadline = time.monotonic() + 120
        while not self.healthy():
            assert self.process.poll() is None, self.process.communicate()[0].decode()
            assert time.monotonic() < deadline, "it does not become healthy"

    async def stop(self) -> str:
        """As the platform does it; what was printed."""
        await self._forget_users()
        self.process.send_signal(getattr(signal, FLY["kill_signal"]))
        output, _ = self.process.communicate(timeout=10)
        assert self.process.returncode in (0, -signal.SIGTERM), output.decode()
        return output.decode()


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with tempfile.TemporaryDirectory(prefix="image") as folder:
        Path(folder).chmod(0o755)
        built = Image(STAGES, IGNORED, ROOT, Path(folder))
        built.build()
        yield built


def test_the_image_has_the_license_and_no_more_than_the_service(image: Image) -> None:
    here = {file.name for file in image.workdir.iterdir()}

    assert here == {"LICENSE", "alembic.ini", "alembic", "app"}


@pytest.mark.parametrize("command", [IMAGE.command, RELEASE], ids=["service", "release"])
def test_without_a_secret_key_it_says_so_in_one_line(command: list[str], image: Image) -> None:
    code, said = image.run(command)

    (line,) = said.splitlines()
    assert code == 2
    assert line.startswith("SECRET_KEY is required")
    assert list(image.data.iterdir()) == []


def test_a_release_leaves_files_alone(image: Image) -> None:
    code, said = image.run(RELEASE, SECRET_KEY=SECRET_KEY)

    assert code == 0
    assert "SQLite" in said
    assert list(image.data.iterdir()) == []


async def test_the_image_serves_and_stops_as_its_user_and_writes_nothing_but_data(image: Image) -> None:
    before = image.files()
    container = Container(image)
    try:
        container.wait_healthy()
        owner = container.owner
        alice = await container.user()
        checks = [*FLY["http_service"]["checks"], *FLY["checks"].values()]
        statuses = [(await alice.http.request(check["method"], check["path"])).status_code for check in checks]
        told = await alice.chat("Hello")
    finally:
        said = await container.stop()

    assert owner == (os.getuid() if image.user is None else image.user)
    assert statuses == [200, 200]
    assert told.done["status"] == "complete"
    assert told.start["model"].startswith("offline/")
    assert "Traceback" not in said
    assert not container.healthy()
    assert image.files() == before
    assert {file.stat().st_uid for file in image.data.iterdir()} == {owner}
    assert not [file for file in image.data.iterdir() if file.stat().st_mode & 0o077]


async def test_a_new_container_on_the_same_volume_goes_on(image: Image) -> None:
    first = Container(image)
    try:
        first.wait_healthy()
        told = await (await first.user("bob")).chat("Hello")
    finally:
        await first.stop()

    second = Container(image)
    try:
        second.wait_healthy()
        answer = (await (await second.user("bob")).messages(told.start["conversation_id"]))[-1]
    finally:
        await second.stop()

    assert answer["content"] == told.text
