"""Heroku's files against the platform's rules and each other, and the Procfile's lines as a dyno runs them."""

import asyncio
import compileall
import json
import os
import re
import shutil
import signal
import stat
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import tomli
from packaging.specifiers import SpecifierSet
from pydantic import SecretStr

from meterbot.app.config import load
from meterbot.app.config.types import database_url
from tests import postgres
from tests.e2e.process import Ended, ended, line
from tests.e2e.team import Team, team
from tests.ports import free_port
from tests.tripwire import sitecustomize as tripwire

ROOT = Path(__file__).parents[2]
APP = json.loads((ROOT / "app.json").read_text("utf-8"))
PROCESSES = dict(
    re.findall(r"^([A-Za-z0-9_-]+):\s+(\S.*)$", (ROOT / "Procfile").read_text("utf-8"), re.MULTILINE)
)

MANAGERS = {"Pipfile", "Pipfile.lock", "poetry.lock", "uv.lock", "pdm.lock", "environment.yml"}
"""With any of these beside requirements.txt, the Python buildpack does not know whom to ask."""
OUTDATED = {"runtime.txt", "setup.py"}
"""The first took precedence over `.python-version`, and is refused now; the second counts as a package manager's."""
OTHER_LANGUAGES = {
    "package.json",
    "Gemfile",
    "go.mod",
    "pom.xml",
    "composer.json",
    "Cargo.toml",
    "heroku.yml",
}
"""Another buildpack, or none, would be chosen by these."""

KEYS = {
    "name", "description", "keywords", "website", "repository", "logo", "success_url", "scripts", "env", "formation",
    "addons", "buildpacks", "environments", "stack", "image",
}  # fmt: skip
"""All that an app.json may say."""
SIZES = {
    "eco", "basic", "standard-1x", "standard-2x", "performance-m", "performance-l", "performance-l-ram",
    "performance-xl", "performance-2xl",
}  # fmt: skip
"""The dynos of the Common Runtime. An eco dyno sleeps while nobody asks it for a page."""


# --- the files --------------------------------------------------------------------------------------------------------


def test_pip_is_the_only_package_manager_and_python_the_only_language() -> None:
    there = {path.name for path in ROOT.iterdir()}
    assert there & (MANAGERS | OUTDATED | OTHER_LANGUAGES) == set()
    assert "requirements.txt" in there


def test_the_python_version_is_a_major_version_that_the_project_supports() -> None:
    (version,) = (ROOT / ".python-version").read_text("utf-8").split()
    assert re.fullmatch(r"3\.\d+", version), "with a patch version there would be no security updates"
    supported = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    assert SpecifierSet(supported).contains(version)


def test_every_line_of_the_procfile_is_a_process() -> None:
    lines = (ROOT / "Procfile").read_text("utf-8").splitlines()
    spoken = [each for each in lines if each.strip() and not each.startswith("#")]
    assert len(spoken) == len(PROCESSES)
    assert PROCESSES.keys() == {"release", "web", "worker"}


def test_the_app_says_only_what_heroku_understands() -> None:
    assert APP.keys() <= KEYS
    assert re.fullmatch(r"[A-Za-z_.-]{3,30}", APP["name"])
    assert len(APP["description"]) <= 140
    for name, setting in APP["env"].items():
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name)
        assert setting.keys() <= {"description", "value", "required", "generator"}
        assert setting.get("generator", "secret") == "secret"
        assert "required" in setting or "generator" in setting, "what is not said is required"
    assert all(isinstance(addon, str) for addon in APP["addons"])
    assert APP["buildpacks"] == [{"url": "heroku/python"}]


def test_the_formation_is_one_process_that_never_sleeps() -> None:
    formation = APP["formation"]
    assert formation.keys() == PROCESSES.keys() - {"release"}, "release is no process that is scaled"
    assert all(each.keys() == {"quantity", "size"} and each["size"] in SIZES for each in formation.values())
    assert sum(each["quantity"] for each in formation.values()) == 1
    assert not [name for name, each in formation.items() if each["size"] == "eco"]


def test_the_database_is_an_addon_that_sets_database_url() -> None:
    (addon,) = APP["addons"]
    assert addon.partition(":")[0] == "heroku-postgresql"
    assert isinstance(database_url("postgres://u:p@host:5432/name"), SecretStr)


def test_the_variables_are_those_that_meterbot_reads_without_being_told() -> None:
    example = (ROOT / "config.example.toml").read_text("utf-8")
    usual = {*re.findall(r"Default: ([A-Z][A-Z_]+)\b", example)}
    assert APP["env"].keys() <= usual | {"METERBOT_CONFIG_TOML"}


def test_what_heroku_generates_is_a_key(tmp_path: Path) -> None:
    """Its generator writes 64 hexadecimal digits."""
    generated = [name for name, setting in APP["env"].items() if setting.get("generator")]
    environ = dict.fromkeys(generated, "0123456789abcdef" * 4)
    toml = '[[seats]]\nname = "ana"\nsource = "push"'
    assert load(None, {**environ, "METERBOT_CONFIG_TOML": toml}, tmp_path).secret_key


# --- the dyno ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slug(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The source as a dyno has it, compiled, except that nobody may write to it, and that it is checked that nobody
    did."""
    app = tmp_path_factory.mktemp("slug") / "app"
    shutil.copytree(ROOT / "meterbot", app / "meterbot", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Procfile", "app.json", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, app / name)
    assert compileall.compile_dir(app / "meterbot", quiet=1)
    for path in [app, *app.rglob("*")]:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    before = contents(app)
    yield app
    after = contents(app)
    for path in [app, *app.rglob("*")]:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    assert after == before


def contents(folder: Path) -> dict[str, int]:
    """What is there, and when it was changed. root may write what nobody may, so that it is looked at."""
    return {str(path): path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


@asynccontextmanager
async def dyno(
    slug: Path, kind: str, command: str, config: Mapping[str, str], port: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command in a process group of its own, started by a shell, as a dyno does it."""
    environ = {
        "HOME": str(slug),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        **tripwire.surroundings(slug),
        "PYTHONUNBUFFERED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",  # for root, who may write
        "PYTHONWARNINGS": "error,ignore:'audioop' is deprecated:DeprecationWarning",
        "LANG": "en_US.UTF-8",
        "DYNO": f"{kind}.1",
        "PORT": str(port),
        "WEB_CONCURRENCY": "8",
        "DYNO_RAM": "512",
        **config,
    }
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, env=environ, cwd=slug, start_new_session=True, limit=2**20,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await ended(process)


async def once(slug: Path, command: str, config: Mapping[str, str]) -> Ended:
    """As the release phase and `heroku run` do it."""
    async with dyno(slug, "run", command, config, free_port()) as process:
        return await ended(process)


async def shut_down(process: asyncio.subprocess.Process) -> Ended:
    """Every process of a dyno gets the signal."""
    os.killpg(process.pid, signal.SIGTERM)
    return await ended(process, 10)


def children(process: asyncio.subprocess.Process) -> list[str]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not listed.exists():
        pytest.skip("no /proc with children here: the number of processes is unknown")
    return listed.read_text().split()


async def get(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


@pytest.fixture
async def config_vars(postgres_server: str) -> AsyncIterator[tuple[Team, dict[str, str]]]:
    async with team() as three, postgres.fresh_database(postgres_server) as url:
        toml = three.toml("sqlite:///never-used.db", poll_interval="2s")
        database = re.sub(r"^postgresql://", "postgres://", url)
        yield three, {**three.environ, "METERBOT_CONFIG_TOML": toml, "DATABASE_URL": database}


@pytest.mark.timeout(150)
async def test_released_and_run_as_worker_and_as_web_from_config_vars_alone(
    slug: Path, config_vars: tuple[Team, dict[str, str]]
) -> None:
    three, config = config_vars
    released = await once(slug, PROCESSES["release"], config)
    assert (released.status, released.stdout) == (0, "the database is up to date\n"), released.stderr

    three.block("ana")
    port = free_port()
    async with dyno(slug, "worker", PROCESSES["worker"], config, port) as worker:
        await line(worker.stderr, lambda text: '"started"' in text)
        await three.slack.until(
            lambda: any("ana is BLOCKED" in text for text in three.on_slack()), seconds=20
        )
        with pytest.raises(aiohttp.ClientConnectionError):
            await get(f"http://127.0.0.1:{port}/healthz")
        assert children(worker) == []
        worker_end = await shut_down(worker)
    assert worker_end.status == 0, worker_end.stderr

    three.block("cy")
    async with dyno(slug, "web", PROCESSES["web"], config, port) as web:
        await line(web.stderr, lambda text: '"started"' in text)
        await three.slack.until(lambda: any("cy is BLOCKED" in text for text in three.on_slack()), seconds=20)
        assert await get(f"http://127.0.0.1:{port}/healthz") == 200
        assert children(web) == []
        web_end = await shut_down(web)
    assert web_end.status == 0, web_end.stderr
    posts = three.on_slack()
    assert sum("ana is BLOCKED" in text for text in posts) == 1
    assert sum("cy is BLOCKED" in text for text in posts) == 1


async def test_an_operator_asks_on_a_dyno_of_its_own(
    slug: Path, config_vars: tuple[Team, dict[str, str]]
) -> None:
    _, config = config_vars
    assert (await once(slug, PROCESSES["release"], config)).status == 0
    checked = await once(slug, "meterbot check", config)
    assert checked.status == 0, checked.stdout
    assert "PostgreSQL" in checked.stdout


async def test_without_a_database_the_dyno_says_what_to_do(
    slug: Path, config_vars: tuple[Team, dict[str, str]]
) -> None:
    _, config = config_vars
    checked = await once(slug, "meterbot check", {**config, "DATABASE_URL": ""})
    assert checked.status == 1
    assert "heroku addons:create heroku-postgresql" in checked.stdout
