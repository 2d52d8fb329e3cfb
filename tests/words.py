"""Finds words that make a text hard to read, in everything that people read: `python -m tests.words`."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXTS = (
    "meterbot",
    "tests",
    "qa",
    "docs",
    "deploy",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "config.example.toml",
    "Makefile",
)
ENDINGS = {".py", ".md", ".toml", ".yml", ".service", ".json", ""}

INSTEAD = {
    r"heed(?:s|ed|ing)?": "follow, obey",
    r"reckon(?:s|ed|ing)?": "calculate, count",
    r"mend(?:s|ed|ing)?": "correct, repair",
    r"whoever|whomever": "everybody who, the person who",
    r"there(?:of|in|upon)": "of it, in it",
    r"ails?": "is wrong with",
    r"louder": "more severe",
    r"be it": "whether",
    r"as of late": "recently",
    r"told are": "meterbot alerts on",
    r"is told once": "is reported once",
    r"st(?:and|ands|ood) still": "does not change",
    r"stands? in for": "replaces",
    r"anew": "again",
    r"likewise": "also",
    r"lest|thereby|henceforth|hence|foretold": "so, then, forecast",
    r"re-arm(?:s|ed)?": "reset a level",
    r"vouch(?:es|ed)?(?: for)?": "confirm",
    r"what becomes of": "what happens to",
    r"(?:is|are) to blame": "because of",
    r"takes? itself for": "is",
    r"(?:be)?c[ao]me of (?:it|them|this|that|one)": "result",
    r"what stands|(?:as it|it|that) stands|stands (?:there|on the|in the)": "is, the content of",
    r"nine of ten": "90%, the 90th percentile",
    r"eyes only": "only they see it",
    r"ailing": "failing, unhealthy",
    r"handed over": "given",
    r"to be told|cannot be told|must be told|is told to|is told in": "to post, to report",
    r"tells? of": "report",
    r"cannot do without": "require",
    r"at haste|for haste|in vain": "too fast, without success",
    r"be mere|merely|a mere": "just, only",
}
_PATTERN = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)


def found(text: str) -> Iterator[tuple[int, str]]:
    """(line, word) for every forbidden word."""
    for number, line in enumerate(text.splitlines(), 1):
        yield from ((number, match.group()) for match in _PATTERN.finditer(line))


_NAMES_THEM = {ROOT / "tests/words.py", ROOT / "tests/test_words.py"}


def files() -> Iterator[Path]:
    for name in TEXTS:
        path = ROOT / name
        yield from (
            [path]
            if path.is_file()
            else (
                each
                for each in sorted(path.rglob("*"))
                if each.is_file() and each.suffix in ENDINGS and each not in _NAMES_THEM
            )
        )


def better(word: str) -> str:
    return next(instead for pattern, instead in INSTEAD.items() if re.fullmatch(pattern, word, re.IGNORECASE))


def main() -> int:
    bad = [
        f"{path.relative_to(ROOT)}:{line}: {word} (write: {better(word)})"
        for path in files()
        for line, word in found(path.read_text("utf-8"))
    ]
    sys.stdout.writelines(f"{each}\n" for each in bad)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
