"""Draws payloads of Slack and Discord in Chromium. Needs node with npm, and chromium; both only for this."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

_HERE = Path(__file__).parent
_MODULES = Path(__file__).parents[2] / ".peers/pictures"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-device-scale-factor=2",
    "--virtual-time-budget=5000",
)


class CannotDrawError(Exception):
    """A program that drawing needs is missing; the text says which and how to install it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One message as one person sees it. `width` in CSS pixels: 760 is a desktop, 390 a phone."""

    chat: Literal["slack", "discord"]
    payload: dict[str, Any]
    sent_at: str
    width: int = 760
    theme: Literal["light", "dark"] = "light"


def install() -> None:
    """Puts the drawing libraries into `.peers/pictures`. Raises `CannotDrawError`."""
    for program, package in (("npm", "nodejs and npm"), ("node", "nodejs"), ("chromium", "chromium")):
        if shutil.which(program) is None:
            raise CannotDrawError(f"{program} is missing: install {package} (Debian: apt install {package})")
    wanted = (_HERE / "package.json").read_text("utf-8")
    stamp = _MODULES / "package.json"
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return
    _MODULES.mkdir(parents=True, exist_ok=True)
    names = [f"{name}@{version}" for name, version in json.loads(wanted)["dependencies"].items()]
    _run("npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(_MODULES), *names)
    stamp.write_text(wanted, "utf-8")


def draw(picture: Picture, target: Path, height: int) -> None:
    """Writes a PNG, cut to what is drawn. `height` in CSS pixels must be enough for the whole message."""
    folder = _MODULES / "page"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_HERE, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    content = {
        "chat": picture.chat,
        "theme": picture.theme,
        "payload": picture.payload,
        "sentAt": picture.sent_at,
    }
    (folder / "payload.json").write_text(json.dumps(content), "utf-8")
    bundler = str(_MODULES / "node_modules/.bin/esbuild")
    _run(
        bundler,
        "page.jsx",
        "--bundle",
        "--jsx=automatic",
        "--outfile=page.js",
        "--log-level=error",
        cwd=folder,
    )
    size = f"--window-size={picture.width},{height}"
    profile = f"--user-data-dir={folder / 'profile'}"
    _run("chromium", *_FLAGS, profile, size, f"--screenshot={target}", (folder / "page.html").as_uri())
    _cut(target)


def _cut(path: Path) -> None:
    """Removes the empty rows at the bottom."""
    from matplotlib import image  # noqa: PLC0415 - slow to import

    pixels = image.imread(path)
    background = pixels[-1, -1]
    drawn = (abs(pixels - background) > 0.02).any(axis=(1, 2)).nonzero()[0]
    end = min(int(drawn[-1]) + 24, len(pixels)) if len(drawn) else len(pixels)
    image.imsave(path, pixels[:end])


def _run(*command: str, cwd: Path | None = None) -> None:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603 - ours
    if ran.returncode:
        raise CannotDrawError(f"{Path(command[0]).name} failed: {ran.stderr.strip()[-500:]}")
