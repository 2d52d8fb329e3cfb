"""Draws payloads of Slack and Discord in Chromium. Needs node with npm, and chromium; both only for this."""

import json
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

_HERE = Path(__file__).parent
_MODULES = Path(__file__).parents[2] / ".peers/pictures"
_PAGE = _MODULES / "page"
_SENT_AT = "2026-04-21T15:30:00Z"
_HEIGHT = 16_000
"""In pixels: enough for every sheet, and less than the 16384 that Chromium draws."""
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--virtual-time-budget=5000",
)


class CannotDrawError(Exception):
    """A program that drawing needs is missing; the text says which and how to install it."""


Chat = Literal["slack", "discord"]
Theme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One message as a platform gets it; `name` stands above it, if a sheet has several."""

    payload: dict[str, Any]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Messages as one person sees them, in `columns`. `width` of a message in CSS pixels: 760 is a desktop, 390 a
    phone."""

    chat: Chat
    messages: tuple[Drawn, ...]
    width: int = 760
    theme: Theme = "light"
    columns: int = 1


def install() -> None:
    """Puts the drawing libraries and the page into `.peers/pictures`. Raises `CannotDrawError`."""
    for program, package in (("npm", "nodejs and npm"), ("node", "nodejs"), ("chromium", "chromium")):
        if shutil.which(program) is None:
            raise CannotDrawError(f"{program} is missing: install {package} (Debian: apt install {package})")
    wanted = (_HERE / "package.json").read_text("utf-8")
    stamp = _MODULES / "package.json"
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        _MODULES.mkdir(parents=True, exist_ok=True)
        names = [f"{name}@{version}" for name, version in json.loads(wanted)["dependencies"].items()]
        _run("npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(_MODULES), *names)
        stamp.write_text(wanted, "utf-8")
    shutil.rmtree(_PAGE, ignore_errors=True)
    shutil.copytree(_HERE, _PAGE, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    bundler = str(_MODULES / "node_modules/.bin/esbuild")
    _run(
        bundler,
        "page.jsx",
        "--bundle",
        "--jsx=automatic",
        "--outfile=page.js",
        "--log-level=error",
        cwd=_PAGE,
    )


def draw(sheet: Sheet, target: Path) -> None:
    """Writes a PNG, cut to what is drawn."""
    content = json.dumps({**asdict(sheet), "sentAt": _SENT_AT})
    (_PAGE / "sheet.js").write_text(f"window.SHEET = {content};", "utf-8")
    factor = 1 if sheet.columns > 1 else 2
    size = f"--window-size={sheet.width * sheet.columns},{_HEIGHT // factor}"
    scale = f"--force-device-scale-factor={factor}"
    profile = f"--user-data-dir={_PAGE / 'profile'}"
    page = (_PAGE / "page.html").as_uri()
    _run("chromium", *_FLAGS, scale, profile, size, f"--screenshot={target}", page)
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
