"""The pages of the documentation, as tests read them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in [
        *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")),
        *sorted((ROOT / "docs").glob("*.md")),
    ]
}
README = PAGES["README.md"]


def blocks(page: str, language: str) -> list[str]:
    """The contents of the code blocks of a language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", page, re.DOTALL | re.MULTILINE)


def rows(page: str, header: str) -> list[list[str]]:
    """The cells of the table whose first heading is this, or of all of them where several begin so."""
    bodies = re.findall(rf"^\| {re.escape(header)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    if not bodies:
        raise LookupError(f"there is no table that begins with | {header} |")
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in "".join(bodies).splitlines()]


def table(page: str, header: str) -> list[str]:
    """The first column of such a table."""
    return [row[0] for row in rows(page, header)]


def codes(cells: list[str]) -> list[str]:
    """The contents of backticks."""
    return [code for cell in cells for code in re.findall(r"`(.+?)`", cell)]
