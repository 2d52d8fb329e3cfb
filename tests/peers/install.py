"""Installs the npm packages of package.json into .peers/, at these exact versions: `python -m tests.peers.install`."""

import fcntl
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from tests.peers.node import npm

PEERS = Path(__file__).parents[2] / ".peers"
_WANTED = Path(__file__).with_name("package.json")
_BINARIES_FOR = ("Linux", "x86_64")
_AN_HOUR = 3600.0


class PeersMissingError(Exception):
    """The packages cannot be installed here; the text says why."""


def install() -> None:
    """Installs what is missing; does nothing the second time. What could not be had within the last hour is not tried
    again. Raises `PeersMissingError`."""
    PEERS.mkdir(exist_ok=True)
    with (PEERS / ".lock").open("w") as lock:
        # Test workers may get here together.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = _wanted()
        missing = [name for name, version in wanted.items() if _installed(name) != version]
        if not missing:
            return
        if (failed := PEERS / "failed.txt").exists() and time.time() - failed.stat().st_mtime < _AN_HOUR:
            raise PeersMissingError(failed.read_text("utf-8"))
        _say(f"installing {', '.join(missing)} from npm into {PEERS.name}/ (about 150 MB)")
        # All of them at once: npm takes what it is not told of for leftovers.
        packages = [f"{name}@{version}" for name, version in wanted.items()]
        options = ["--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
        # npm by itself tries for five minutes.
        options += [
            "--fetch-retries=1",
            "--fetch-retry-mintimeout=1000",
            "--fetch-retry-maxtimeout=5000",
            "--fetch-timeout=60000",
        ]
        try:
            npm("install", "--loglevel=error", *options, "--prefix", str(PEERS), *packages)
        except (subprocess.SubprocessError, OSError) as error:
            why = f"npm could not install {', '.join(missing)} ({_reason(error)})"
            failed.write_text(why, "utf-8")
            raise PeersMissingError(why) from None
        failed.unlink(missing_ok=True)


def package(name: str) -> Path:
    """The folder of an installed package. Raises `PeersMissingError` where it does not run."""
    if name not in _wanted():
        raise PeersMissingError(f"{name} runs on {' '.join(_BINARIES_FOR)} only")
    install()
    return PEERS / "node_modules" / name


def _wanted() -> dict[str, str]:
    named: dict[str, str] = json.loads(_WANTED.read_text())["dependencies"]
    here = (platform.system(), platform.machine()) == _BINARIES_FOR
    return {name: version for name, version in named.items() if here or not name.endswith("-linux-x64")}


def _installed(name: str) -> str | None:
    try:
        found = json.loads((PEERS / "node_modules" / name / "package.json").read_text())
    except FileNotFoundError:
        return None
    return str(found["version"])


def _reason(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return " ".join(str(said).split())[:200]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    try:
        install()
    except PeersMissingError as why:
        _say(f"missing here, and its tests are skipped: {why}")
        sys.exit(os.environ.get("CI") == "true")
