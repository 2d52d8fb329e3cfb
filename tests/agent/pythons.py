"""The Pythons that the agent has to run with: two old ones where they are, on the path or from pyenv, and this one."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.missing import judged_by


def _found(version: str) -> str | None:
    on_path = shutil.which(f"python{version}")
    # A python3.8 on the path that is pyenv's is a script in its `shims`, and runs only where it is the chosen version.
    pyenvs = [Path.home() / ".pyenv", *([] if on_path is None else [Path(on_path).parents[1]])]
    installed = sorted(path for pyenv in pyenvs for path in pyenv.glob(f"versions/{version}.*/bin/python3"))
    return str(installed[-1]) if installed else on_path


def _needed(version: str) -> object:
    found = _found(version)
    return pytest.param(found, id=version, marks=judged_by(f"Python {version}", found))


OLDEST, LATER = _needed("3.8"), _needed("3.9")
THIS = pytest.param(sys.executable, id="this Python")
