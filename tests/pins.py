"""meterbot's dependencies: what pyproject.toml declares, what that installs, and the pins in constraints.txt."""

from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def pins(text: str) -> dict[str, Requirement]:
    """Canonical name → its line in a list of constraints."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}


def needed(requirements: Iterable[str], extras: Iterable[str] = ()) -> set[str]:
    """The names of these requirements and of everything that they install here."""
    found = set[str]()
    waiting = [(Requirement(text), {"", *extras}) for text in requirements]
    while waiting:
        requirement, asked = waiting.pop()
        name = canonicalize_name(requirement.name)
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in asked):
            continue
        if name not in found:
            found.add(name)
            waiting += [
                (Requirement(text), {"", *requirement.extras}) for text in metadata.requires(name) or ()
            ]
    return found


def shipped() -> set[str]:
    """The names of all that an installation of meterbot has besides itself, with every extra but that for its tests."""
    project = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(text for name in extras.keys() - {"test"} for text in extras[name])]
    return needed(asked) | {canonicalize_name(Requirement(text).name) for text in asked}
