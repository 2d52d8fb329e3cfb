"""The Pythons that the agent has to run with: two old ones where they are, on the path or from pyenv, and this one."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.missing import judged_by

_PYENV = Path.home() / ".pyenv/versions"


def _found(version: str) -> str | None:
    # pyenv's own python3.8 on the path runs only where it is the chosen version.
    installed = sorted(_PYENV.glob(f"{version}.*/bin/python3"))
    return str(installed[-1]) if installed else shutil.which(f"python{version}")


def _needed(version: str) -> object:
    found = _found(version)
    return pytest.param(found, id=version, marks=judged_by(f"Python {version}", found))


OLDEST, LATER = _needed("3.8"), _needed("3.9")
THIS = pytest.param(sys.executable, id="this Python")
