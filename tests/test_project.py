"""What holds for the project as a whole."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import meterbot
from tests import pins as requirements
from tests.missing import missing

ROOT = Path(__file__).parents[1]
PROJECT = tomli.loads((ROOT / "pyproject.toml").read_text())


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the project's files are unknown")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)  # noqa: S607 - git as found
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def pins() -> dict[str, Requirement]:
    return requirements.pins((ROOT / "constraints.txt").read_text())


def declared() -> list[str]:
    project = PROJECT["project"]
    return [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]


def test_every_dependency_is_pinned() -> None:
    named = {canonicalize_name(Requirement(text).name) for text in declared()}
    assert (requirements.needed(declared()) | named) - pins().keys() == set()


def test_a_newer_version_of_what_builds_it_is_accepted() -> None:
    """As in every other declared requirement: an upper bound needs a known bug."""
    wanted = [Requirement(text) for text in PROJECT["build-system"]["requires"]]
    (ours,) = (one for one in wanted if one.marker is None or one.marker.evaluate())
    assert re.fullmatch(r">=[\w.]+", str(ours.specifier))


def test_an_older_python_meets_the_sentence_that_names_the_needed_one_first() -> None:
    """pip compares `requires-python` only once it can build: a pin without files for that Python would be the error."""
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    for text in PROJECT["build-system"]["requires"]:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": "3.9"}):
            assert not str(requirement.specifier), text


def test_every_pin_is_exact_and_fits_what_is_declared() -> None:
    held = pins()
    assert not [str(pin) for pin in held.values() if not re.fullmatch(r"==[\w.]+", str(pin.specifier))]
    for text in declared():
        requirement = Requirement(text)
        (version,) = (str(part.version) for part in held[canonicalize_name(requirement.name)].specifier)
        assert requirement.specifier.contains(version), text


def test_pins_stand_in_order() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines == sorted(lines, key=str.lower)


def test_what_a_host_installs_is_what_is_tested() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["-c constraints.txt", ".[charts,sentry]"]


REGISTRIES = (
    r"(?:pypi|pythonhosted)\.(?:org|python\.org)|registry\.(?:npmjs|yarnpkg)\."
    r"|--(?:extra-)?index-url|--find-links|--trusted-host|(?:PIP|UV)_(?:EXTRA_)?INDEX_URL"
)
MACHINES = r"(?:/home|/Users)/(?!ana/|bo/)\w+/|/root/|/work/"
PAPERS = r"\b(?:domain|interfaces|design|wire|platforms|style)\.md\b"


@pytest.mark.parametrize(
    "pattern", [REGISTRIES, MACHINES, PAPERS], ids=["a registry", "a machine", "a paper"]
)
def test_no_file_names_what_only_its_author_has(pattern: str) -> None:
    others = [path for path in tracked() if path != Path(__file__)]
    named = [str(path) for path in others if re.search(pattern, path.read_text("utf-8", errors="replace"))]
    assert named == []


def test_the_version_is_in_one_place_and_in_the_changelog() -> None:
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "meterbot.__version__"}
    assert f"## [{meterbot.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_continuous_integration_runs_what_a_contributor_runs() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    commands = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert commands == ["set -euo pipefail", 'cd "$(dirname "${BASH_SOURCE[0]}")/.."', "exec make test"]


def test_every_target_of_make_is_in_its_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    helped = re.findall(r"@echo 'make (\w+)", makefile)
    assert {*phony.split()} - {"help"} == {*helped}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ([], ["python3.11 3.11", "python3.12 3.12", "python3.13 3.13", "python3.14 3.14", "python3 mine"]),
        (["PYTHON=python3.13"], ["python3.13 3.13"]),
        (["PYTHON=mypython"], ["mypython mine"]),
    ],
)
def test_make_chooses_a_version_of_pyenv_where_it_names_one(
    tmp_path: Path, given: list[str], asked: list[str]
) -> None:
    make = shutil.which("make") or missing("make")
    for name in (line.split()[0] for line in asked):
        python = tmp_path / name
        python.write_text(f'#!/bin/sh\necho "{name} $PYENV_VERSION" >> {tmp_path}/asked\nexit 1\n')
        python.chmod(0o755)
    target = f".venv{'-' * bool(given)}{''.join(given).removeprefix('PYTHON=')}/.made"
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYENV_VERSION": "mine"}
    command = [make, "-s", "-C", str(tmp_path), "-f", str(ROOT / "Makefile"), *given, target]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr.split(" with venv")[0]) == (2, "meterbot needs Python 3.11 or newer")
    assert (tmp_path / "asked").read_text().splitlines() == asked


def test_what_is_missing_is_named_and_fails_in_continuous_integration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="missing here: a server"):
        missing("a server")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="missing in continuous integration: a server"):
        missing("a server")


def test_a_test_that_reaches_out_fails_even_if_the_code_forgives_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests/fixtures.py").read_text())
    (tmp_path / "test_reach.py").write_text(
        """
import asyncio, contextlib, socket, subprocess, sys

def test_by_address():
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=0.01)

def test_by_name():
    async def reach():
        with contextlib.suppress(OSError):
            await asyncio.open_connection("claude.ai", 443)
    asyncio.run(reach())

def test_by_datagram():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.sendto(b"", ("192.0.2.2", 53))

def test_by_child():
    code = "import socket; socket.gethostbyname('home.example')"
    subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL)

def test_here():
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname()).close()
    server.close()
"""
    )
    ran = subprocess.run(  # noqa: S603 - our own file
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(
        r"^ERROR .*::test_by_address - .*tried to reach .*192\.0\.2\.1", ran.stdout, re.MULTILINE
    ), ran.stdout
    assert re.search(r"^ERROR .*::test_by_name - .*tried to reach claude\.ai", ran.stdout, re.MULTILINE)
    assert re.search(r"^ERROR .*::test_by_datagram - .*tried to reach 192\.0\.2\.2", ran.stdout, re.MULTILINE)
    assert re.search(r"^ERROR .*::test_by_child - .*tried to reach home\.example", ran.stdout, re.MULTILINE)
    assert not re.search(r"^ERROR .*::test_here", ran.stdout, re.MULTILINE)
