"""Without a way to npm, `make test` says so within seconds and goes on without the peers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_port

TESTS = Path(__file__).parents[1]
NEEDED = (
    "__init__.py",
    "missing.py",
    *(f"peers/{name}" for name in ("__init__.py", "conftest.py", "install.py", "node.py", "package.json")),
)
A_TEST = "def test_a_peer(peer):\n    peer('emulate')\n"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with the tests' peers and none of their packages."""
    for name in NEEDED:
        copy = tmp_path / "tests" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TESTS / name, copy)
    (tmp_path / "tests/peers/test_peer.py").write_text(A_TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def python(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A Python in the folder, whose npm finds nobody at the registry's address."""
    registry = {"npm_config_registry": f"http://127.0.0.1:{free_port()}/"}
    return subprocess.run(  # noqa: S603 - our own
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=50, check=False,
        env={
            "HOME": str(folder), "npm_config_cache": str(folder / "cache"), **registry,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environ,
        },
    )  # fmt: skip


def test_where_npm_cannot_be_reached_a_sentence_says_so_and_only_continuous_integration_fails(
    elsewhere: Path,
) -> None:
    installed = python(elsewhere, "-m", "tests.peers.install")
    begun, missing = installed.stderr.splitlines()
    assert (installed.returncode, begun.startswith("installing ")) == (0, True)
    assert missing.startswith("missing here, and its tests are skipped: npm could not install ")
    assert "ECONNREFUSED" in missing
    # What failed a moment ago is not tried again: these do not call npm.
    again = python(elsewhere, "-m", "tests.peers.install", CI="true")
    assert (again.returncode, again.stderr.splitlines()) == (1, [missing])
    tested = python(elsewhere, "-m", "pytest", "-rs", "-p", "no:cacheprovider")
    assert (tested.returncode, "SKIPPED" in tested.stdout) == (0, True), tested.stdout
    assert "missing here: packages of npm: npm could not install " in tested.stdout
    failed = python(elsewhere, "-m", "pytest", "-p", "no:cacheprovider", CI="true")
    assert (failed.returncode, "missing in continuous integration" in failed.stdout) == (1, True)
    assert "Traceback" not in installed.stderr + again.stderr
