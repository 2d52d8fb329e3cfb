"""A Python that is too old gets one sentence that names the version."""

import subprocess
from pathlib import Path

import pytest

from tests.agent.pythons import LATER, OLDEST

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("interpreter", [OLDEST, LATER])
def test_an_old_python_is_told_which_one_is_needed(interpreter: str) -> None:
    ran = subprocess.run(  # noqa: S603 - as found
        [interpreter, "-m", "meterbot"], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert ran.stderr.startswith("meterbot needs Python 3.11 or later, and this is 3.")
