"""docs/checks.md explains every check, and no other."""

import re
from pathlib import Path

from meterbot.core.findings import Check, Status

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/checks.md").read_text("utf-8")


def ids() -> set[str]:
    """As they are written in the source: first in what makes a finding."""
    sources = [path.read_text("utf-8") for path in (ROOT / "meterbot").rglob("*.py")]
    return {id_ for text in sources for id_ in re.findall(r'\b(?:Check|_failed)\(\s*"(\w+)"', text)}


def test_every_id_has_its_heading_and_every_heading_its_id() -> None:
    assert {*re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)} == ids()


def test_a_finding_names_its_place_on_the_page() -> None:
    assert Check("clock", Status.OK, "right").page == "docs/checks.md#clock"
    assert (ROOT / "docs/checks.md").exists()
