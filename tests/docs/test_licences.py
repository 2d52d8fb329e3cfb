"""Every part has an exact version, a licence that may be passed on, and a row in docs/licences.md."""

import json
import re

import pytest

from tests.docs import licences
from tests.docs.pages import PAGES, ROOT, rows

ALL = licences.parts()
NAMES = [part.name for part in ALL]


@pytest.mark.parametrize("part", ALL, ids=NAMES)
def test_a_part_is_pinned(part: licences.Part) -> None:
    assert re.fullmatch(r"\d[\w.]*", part.version), f"add {part.name}==<version> to constraints.txt"


@pytest.mark.parametrize("part", ALL, ids=NAMES)
def test_a_part_may_be_passed_on(part: licences.Part) -> None:
    assert licences.is_allowed(part.licence), (
        f"{part.name} says of its licence: {part.licence}. Read the licence: if it only wants its notice kept, add its "
        "SPDX name to ALLOWED in tests/licences.py (or to _READ_BY_A_PERSON where its metadata does not name it); "
        "otherwise use another library"
    )


def test_the_page_names_every_part_as_it_is_pinned() -> None:
    """A newer Python needs a few parts less or more: what is installed here stands there, as it is here."""
    written = rows(PAGES["docs/licences.md"], "package")
    made = [line for line in licences.page().splitlines() if line.startswith("| ")][1:]
    missing = [line for line in made if line not in PAGES["docs/licences.md"].splitlines()]
    assert missing == [], "not what is installed now: run make docs"
    held = licences.pins((ROOT / "constraints.txt").read_text("utf-8"))
    gone = {name for name, *_ in written} - {pin.name for pin in held.values()} - {*NAMES}
    assert gone == set(), "not installed with meterbot any more: run make docs"


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("(MIT OR Apache-2.0)", True),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("LicenseRef-Proprietary", False),
        (None, False),
    ],
)
def test_only_what_may_be_passed_on_is_allowed(expression: str | None, *, allowed: bool) -> None:
    assert licences.is_allowed(expression) is allowed


def test_what_comes_from_npm_for_the_tests_is_pinned() -> None:
    wanted = json.loads((ROOT / "tests/peers/package.json").read_text("utf-8"))["dependencies"]
    loose = {name: version for name, version in wanted.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)}
    assert loose == {}, "name one exact version of each in tests/peers/package.json"


def test_a_loose_pin_is_seen() -> None:
    loose = licences.pins("a>=1\nb==1.0\n# c\n")
    assert [str(pin.specifier) for pin in loose.values()] == [">=1", "==1.0"]
