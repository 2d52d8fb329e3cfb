"""`config.example.toml` has every key, and is a valid configuration."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from meterbot.app.config import Config, load
from meterbot.app.config.secrets import Table
from meterbot.core.models import EventKind
from tests.app.config.writing import ENVIRON

ROOT = Path(__file__).parents[3]
EXAMPLE = (ROOT / "config.example.toml").read_text("utf-8")


def keys(model: type[BaseModel], table: str = "") -> Iterator[tuple[str, str]]:
    """(table, key) of all that may be written, each once: of a secret, where it is."""
    yield from dict.fromkeys(_keys(model, table))


def _keys(model: type[BaseModel], table: str) -> Iterator[tuple[str, str]]:
    secrets = model.secrets() if issubclass(model, Table) else {}
    for name, field in model.model_fields.items():
        inner = [part for part in parts(field.annotation) if issubclass(part, BaseModel)]
        for part in inner:
            yield from _keys(part, f"{table}.{name}".strip("."))
        if not inner:
            yield from (
                (table, key) for key in ([f"{name}_env", f"{name}_file"] if name in secrets else [name])
            )


def parts(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from parts(argument)


def sections(text: str) -> dict[str, str]:
    """The text under each table's header, commented or not; an inline table counts as its own table."""
    found = dict[str, str]()
    table = ""
    for line in text.splitlines():
        if header := re.match(r"\[+([\w.]+)\]+", line):
            table = header[1]
        found[table] = found.get(table, "") + line + "\n"
        if inline := re.match(r"(\w+) = \{(.*)\}", line):
            found[f"{table}.{inline[1]}"] = "\n".join(part.strip() for part in inline[2].split(",")) + "\n"
    return found


def test_the_example_loads_as_it_is() -> None:
    config = load(str(ROOT / "config.example.toml"), ENVIRON, ROOT)
    assert [seat.name for seat in config.seats] == ["ana"]
    assert config.slack
    assert config.discord


@pytest.mark.parametrize(("table", "key"), [*keys(Config)])
def test_every_key_is_in_the_example(table: str, key: str) -> None:
    assert re.search(rf"^(# )?{key} = ", sections(EXAMPLE)[table], re.MULTILINE), f"{table}.{key}"


def test_every_kind_of_event_that_may_be_muted_is_in_the_example() -> None:
    muted = set(EventKind) - {EventKind.DIGEST, EventKind.NOTICE}  # which comes by its own table only
    assert not [kind for kind in muted if kind not in EXAMPLE]
