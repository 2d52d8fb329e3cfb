"""The image and the compose file, as far as they can be judged without a Docker engine."""

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from meterbot.app.health import BotHealth
from meterbot.app.web import HttpServer, application
from tests.app.test_web import health
from tests.e2e import process
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
IMAGE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
LAST_STAGE = IMAGE.rpartition("\nFROM ")[2]


def test_the_linter_has_nothing_to_say() -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert program, "hadolint comes with the extra `test`"
    ran = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert (ran.returncode, ran.stdout) == (0, "")


def test_what_is_copied_is_there_and_let_into_the_context() -> None:
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", IMAGE, re.MULTILINE)
        for word in line.split()
    ]
    let_in = [
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")
    ]
    assert sorted(copied) == sorted(let_in)
    assert all((ROOT / name).exists() for name in copied)


def test_no_secret_of_a_checkout_gets_into_the_context() -> None:
    lines = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")
    ]
    assert lines[0] == "*"
    for name in (".env", "config.toml", ".git", "secrets", "meterbot.db"):
        assert not [line for line in lines if line.startswith("!") and fnmatch(name, line[1:])]


def test_the_python_is_the_one_that_heroku_gets() -> None:
    version = (ROOT / ".python-version").read_text("utf-8").strip()
    assert set(re.findall(r"^FROM python:(\S+?)-slim", IMAGE, re.MULTILINE)) == {version}


def test_it_runs_as_a_user_without_rights_and_without_a_shell() -> None:
    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", LAST_STAGE, re.MULTILINE)
    started = re.findall(r"^(?:ENTRYPOINT|CMD|HEALTHCHECK .* CMD) (.*)$", LAST_STAGE, re.MULTILINE)
    assert len(started) == 3
    assert all(words.startswith("[") for words in started)
    assert not re.search(r"curl|wget|apt-get", IMAGE)


def test_compose_binds_to_the_loopback_address_and_keeps_the_database_in_a_volume() -> None:
    bot = COMPOSE["services"]["meterbot"]
    assert all(port.startswith("127.0.0.1:") for port in bot["ports"])
    (workdir,) = re.findall(r"^WORKDIR (\S+)$", LAST_STAGE, re.MULTILINE)
    assert f"data:{workdir}" in bot["volumes"]
    (config,) = re.findall(r"METERBOT_CONFIG=(\S+)", LAST_STAGE)
    assert f"./config.toml:{config}:ro" in bot["volumes"]
    named = {volume.partition(":")[0] for each in COMPOSE["services"].values() for volume in each["volumes"]}
    assert {name for name in named if not name.startswith(".")} == set(COMPOSE["volumes"])


def test_compose_gives_no_rights_and_opens_no_other_port() -> None:
    bot, postgres = COMPOSE["services"]["meterbot"], COMPOSE["services"]["postgres"]
    assert (bot["read_only"], bot["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in bot["security_opt"]
    assert postgres["profiles"] == ["postgres"]
    assert "ports" not in postgres
    assert not [each for each in COMPOSE["services"].values() if "privileged" in each]


def test_what_holds_secrets_is_ignored_by_git() -> None:
    assert {".env", "config.toml"} <= set((ROOT / ".gitignore").read_text("utf-8").splitlines())


@pytest.mark.parametrize("address", ['bind = "0.0.0.0:{}"', "port = {}"])
async def test_the_health_check_asks_the_bot_on_its_port(address: str, tmp_path: Path) -> None:
    async def take() -> BotHealth:
        return health()

    listener = HttpServer(application(take), [("127.0.0.1", 0)])
    port = await listener.start()
    try:
        # The environment's proxy is not asked about this machine.
        environ = {"PORT": str(port), "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
        well = await process.meterbot("healthcheck", environ=environ, cwd=tmp_path)
        (tmp_path / "config.toml").write_text(
            f"[http]\n{address.format(port)}\n"
            '[slack]\nchannel = "C0TEAM"\n[[seats]]\nname = "ana"\nsource = "push"\n'
        )
        configured = await process.meterbot("healthcheck", cwd=tmp_path)
        named = await process.meterbot(
            "healthcheck", "--url", f"http://127.0.0.1:{port}/elsewhere", cwd=tmp_path
        )
    finally:
        await listener.close()
    assert (well.status, well.stdout, well.stderr) == (0, "alive\n", "")
    assert (configured.status, configured.stdout, configured.stderr) == (0, "alive\n", "")
    assert (named.status, named.stderr) == (1, f"http://127.0.0.1:{port}/elsewhere answers HTTP 404\n")


async def test_the_health_check_fails_where_nobody_listens(tmp_path: Path) -> None:
    ended = await process.meterbot("healthcheck", environ={"PORT": str(free_port())}, cwd=tmp_path)
    assert ended.status == 1
    assert (
        "does not answer: Connection refused. A bot listens only with [http] in its configuration"
        in ended.stderr
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[http", "config.toml:1:6: is not TOML"),
        ("[http]\nport = 0.5", "config.toml:2:1 http.port: must be"),
        ("[http]\nprot = 9000", "config.toml:2:1 http.prot: "),
        ("http = 9000", "config.toml:1:1 http: must be a table"),
    ],
)
async def test_the_health_check_names_the_mistake_instead_of_asking_elsewhere(
    text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(text)
    found = await process.meterbot("healthcheck", cwd=tmp_path)
    assert (found.status, said in found.stderr, found.stderr) == (2, True, found.stderr)
    named = await process.meterbot("healthcheck", environ={"METERBOT_CONFIG": "other.toml"}, cwd=tmp_path)
    assert (named.status, "other.toml: cannot be read" in named.stderr) == (2, True)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "nonsense"])
async def test_the_health_check_asks_by_http_alone(url: str, tmp_path: Path) -> None:
    ended = await process.meterbot("healthcheck", "--url", url, cwd=tmp_path)
    assert (ended.status, ended.stdout) == (2, "")
