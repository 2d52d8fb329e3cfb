"""The problems of a configuration, worded so that a person can find and correct them, without showing a secret."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from meterbot.app.config.seats import SOURCES
from meterbot.app.config.secrets import Table, Wanted, types_in
from meterbot.app.config.toml_positions import Path
from meterbot.app.config.types import HINT, did_you_mean, quoted
from meterbot.core import secret
from meterbot.core.errors import MeterbotError


@dataclass(frozen=True, slots=True)
class Problem:
    """`where` is `file:line:column`, the file, or `environment`; `key` is the key with the mistake."""

    where: str
    key: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.where} {self.key}: {self.sentence}" if self.key else f"{self.where}: {self.sentence}"


class ConfigError(MeterbotError):
    """The configuration cannot be used; `problems` are all its mistakes, in the order of the file."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class NoConfigError(ConfigError):
    """No configuration is named, and none is where meterbot looks for one."""


def written(path: Path) -> str:
    """`seats[2].plan_price`: indices count from 0."""
    parts = ""
    for part in path:
        if isinstance(part, int):
            parts += f"[{part}]"
        else:
            parts += ("." if parts else "") + (part if re.fullmatch(r"[\w-]+", part) else json.dumps(part))
    return parts


def path_of(detail: ErrorDetails) -> Path:
    """Where pydantic found the mistake, as keys of the file: without the name of a union's member."""
    match detail["loc"]:
        case ("seats", int() as number, str() as source, *rest) if source in SOURCES:
            return ("seats", number, *rest)
        case ("seats", int()) as path if detail["type"].startswith("union_tag"):
            return (*path, "source")
        case path:
            return path


NO_SEATS = "add a [[seats]] table for each person, or [http] with a public_url to invite them"


def sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """A person's version of a pydantic error. `model` is the whole document's."""
    path, context = path_of(detail), detail.get("ctx", {})
    match detail["type"]:
        case "missing" if path == ("seats",):
            return f"is missing: {NO_SEATS}"
        case "missing" | "union_tag_not_found":
            return "is missing"
        case "extra_forbidden":
            return _unknown(detail, model)
        case "value_error":
            must = str(context["error"])
        case "literal_error" | "enum" | "union_tag_invalid":
            choices = re.findall(r"'(\w+)'", str(context.get("expected") or context["expected_tags"]))
            got = context.get("tag", detail["input"])
            must = f"must be one of {quoted(choices)}{did_you_mean(str(got), choices)}"
        case "tuple_type" if any(_tables_at(model, path)):
            must = f"must be tables, each under [[{written(path)}]]"
        case kind:
            must = _MUST[kind]
    if not must.startswith("must"):
        return must
    end = re.search(rf"\. |{HINT}|$", must)
    assert end is not None  # noqa: S101 - the pattern also matches at the end
    got = _got(path, context.get("tag", detail["input"]))
    return must[: end.start()] + got + must[end.start() :]


_MUST = {
    "string_type": "must be a text in quotes",
    "bool_type": "must be true or false",
    "datetime_type": "must be a date and time like 2026-12-24T18:00:00, without quotes",
    "tuple_type": "must be a list in square brackets",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
}


def _unknown(detail: ErrorDetails, model: type[BaseModel]) -> str:
    path = path_of(detail)
    tables = [*_tables_at(model, path[:-1])]
    if path[0] == "seats" and len(path) == 3 and (own := SOURCES.get(str(detail["loc"][2]))):
        if any(str(path[-1]) in _keys(table) for table in tables):
            return f"is not for {detail['loc'][2]} seats"
        tables = [own]
    known = [name for table in tables for name in _keys(table)]
    return "is not a known key" + did_you_mean(str(path[-1]), known)


def _keys(table: type[BaseModel]) -> list[str]:
    """What may be written in a table. A secret is never written, only where it is."""
    secrets = table.secrets() if issubclass(table, Table) else {}
    forms = ((f"{name}_env", f"{name}_file") if name in secrets else (name,) for name in table.model_fields)
    return [key for keys in forms for key in keys]


def known_keys(model: type[BaseModel]) -> frozenset[str]:
    """Every name that a configuration may have before a = or in brackets. A secret's own name is one, too, although
    only its `_env` and `_file` are accepted."""
    found = {*_keys(model), *model.model_fields}
    for field in model.model_fields.values():
        for inner in types_in(field.annotation):
            if issubclass(inner, BaseModel):
                found |= known_keys(inner)
    return frozenset(found)


def _tables_at(model: type[BaseModel], path: Path) -> Iterator[type[BaseModel]]:
    """The models of the table at a path: several for a union."""
    names = [part for part in path if isinstance(part, str)]
    if not names:
        yield model
    elif field := model.model_fields.get(names[0]):
        for inner in types_in(field.annotation):
            if issubclass(inner, BaseModel):
                yield from _tables_at(inner, tuple(names[1:]))


def _got(path: Path, value: object) -> str:
    """The end of a sentence: what the file has there, unless it may be a secret in the wrong place."""
    name = str(path[-1]) if path else ""
    if name.endswith(("_env", "_file", "_url", "_sha256")) or isinstance(value, Wanted):
        return ""
    match value:
        case bool():
            shown = str(value).lower()
        case str():
            shown = secret.hide(value)
            shown = json.dumps(shown if len(shown) <= 60 else shown[:60] + "…", ensure_ascii=False)
        case list():
            shown = "a list"
        case dict():
            shown = "a table"
        case _:
            shown = str(value)
    return f", got {shown}"
