"""A Python that is too old gets one sentence that names the version."""

import subprocess
from pathlib import Path

import pytest

from tests.agent.test_main import python

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("version", "arguments"),
    [("3.8", ["-m", "meterbot"]), ("3.10", ["-m", "meterbot"]), ("3.8", ["setup.py"])],
)
def test_an_old_python_is_told_which_one_is_needed(version: str, arguments: list[str]) -> None:
    ran = subprocess.run(  # noqa: S603 - as found
        [python(version), *arguments], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"meterbot needs Python 3.11 or later, and this is {version}.")
    assert ran.stderr.count("\n") == 1
