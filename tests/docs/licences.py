"""Under which licences the parts are that come with meterbot, from what each says of itself where it is installed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli
from packaging.licenses import canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU",
    "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
"""What may be passed on with an MIT-licensed program without conditions on the program itself."""

_READ_BY_A_PERSON = {
    "audioop-lts": "PSF-2.0",  # only Python 3.13 and newer installs it, so that there may be no metadata here
    "contourpy": "BSD-3-Clause",  # the three hold the text, and no SPDX name for it
    "cycler": "BSD-3-Clause",
    "kiwisolver": "BSD-3-Clause",
}
BUILT_WITH = {"setuptools": "MIT"}
"""What pip fetches to build meterbot and leaves out of the installation, so that there is no metadata of it here."""
_NOT_EVERYWHERE = {"audioop-lts": "https://github.com/AbstractUmbra/audioop"}

_BY_WORDS = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A distribution at its pinned version. `licence` is an SPDX expression, or None where nobody knows."""

    name: str
    version: str
    licence: str | None
    home: str


def pins(text: str) -> dict[str, Requirement]:
    """Canonical name → what a list of constraints says of it."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}


def needed(requirements: Iterable[str], extras: Iterable[str] = ()) -> set[str]:
    """Everything that these lead to here, and what they name themselves for any system."""
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


def parts() -> list[Part]:
    """What an installation of meterbot has besides itself, with every extra but that for its tests."""
    project = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project.get("optional-dependencies", {})
    asked = [*project["dependencies"], *(text for name in extras.keys() - {"test"} for text in extras[name])]
    held = pins((ROOT / "constraints.txt").read_text("utf-8"))
    names = needed(asked) | {canonicalize_name(Requirement(text).name) for text in asked}
    return [_part(name, held.get(name)) for name in sorted(names)]


def _part(name: str, pin: Requirement | None) -> Part:
    version = str(pin.specifier).removeprefix("==") if pin else ""
    licence = _READ_BY_A_PERSON.get(name)
    if name in _NOT_EVERYWHERE:
        return Part(name, version, licence, _NOT_EVERYWHERE[name])
    told: Any = metadata.metadata(name)  # an email.message.Message, which its type does not say
    return Part(told["Name"], version, licence or _licence(told), _home(told))


def _licence(told: Any) -> str | None:
    if expression := told.get("License-Expression"):
        return str(canonicalize_license_expression(expression))
    classified = [
        line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if "License ::" in line
    ]
    for words in [str(told.get("License") or ""), *classified]:
        name = _BY_WORDS.get(words, words)
        if re.fullmatch(r"[\w.+-]+", name) and name not in {"BSD", "Apache"}:
            return str(name)
    return None


def _home(told: Any) -> str:
    """Where its source is, or else where it says it lives."""
    links = dict(line.partition(", ")[::2] for line in told.get_all("Project-URL") or [])
    named = {name.lower(): url for name, url in links.items()}
    for name in ("source", "source code", "repository", "github", "github: repo", "homepage", "home"):
        if name in named:
            return str(named[name])
    return str(told.get("Home-page") or next(iter(named.values()), ""))


def is_allowed(licence: str | None) -> bool:
    """Whether an SPDX expression gives us a licence from the list: one of what OR joins, and all of them where that is
    mixed with AND."""
    if licence is None:
        return False
    names = re.split(r" (?:AND|OR) ", licence.replace("(", "").replace(")", ""))
    enough = any if " AND " not in licence else all
    return enough(name in ALLOWED for name in names)


_INTRODUCTION = """\
# What comes with meterbot

meterbot itself is under the [MIT licence](../LICENSE). An installation with `-c constraints.txt` holds these besides,
at exactly these versions; each came with the text of its licence. `make docs` writes this page from what the installed
packages say of themselves, and a test fails on one that is missing here, unpinned, or under a licence that would bind
you to more than passing its notice on.

| package | version | licence | source |
|---|---|---|---|
"""


def built_with() -> str:
    project = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [Requirement(text) for text in project["build-system"]["requires"]]
    named = ", ".join(
        f"{one.name} {str(one.specifier).removeprefix('==')} ({BUILT_WITH[one.name]})" for one in wanted
    )
    return f"\nIt is built with {named}, which stays out of the installation.\n"


def page() -> str:
    """docs/licences.md."""
    lines = [
        f"| {part.name} | {part.version} | {part.licence or 'unknown'} | {_link(part)} |" for part in parts()
    ]
    return _INTRODUCTION + "\n".join(lines) + "\n" + built_with()


def _link(part: Part) -> str:
    return f"<{part.home}>" if part.home else ""
