"""What can be wrong with a configuration, told so that it can be found and mended, and no secret is shown."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from meterbot.app.config.toml_positions import Path
from meterbot.app.config.values import HINT, did_you_mean, listed
from meterbot.core import secret
from meterbot.core.errors import MeterbotError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. `where` is `file:line:column`, the file, or `environment`; `key` is what is wrong there."""

    where: str
    key: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.where} {self.key}: {self.sentence}" if self.key else f"{self.where}: {self.sentence}"


class ConfigError(MeterbotError):
    """The configuration cannot be used; `problems` is all that is wrong with it, in the order of the file."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def written(path: Path) -> str:
    """`seats[2].plan_price`: indices count from 0."""
    parts = ""
    for part in path:
        if isinstance(part, int):
            parts += f"[{part}]"
        else:
            parts += ("." if parts else "") + (part if re.fullmatch(r"[\w-]+", part) else json.dumps(part))
    return parts


def sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """What one of pydantic's errors says to a person. `model` is the whole document's."""
    path = detail["loc"]
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing" if path == ("seats",):
            return "is missing: every person has a [[seats]] table"
        case "missing":
            return "is missing"
        case "extra_forbidden":
            known = [name for table in _tables_at(model, path[:-1]) for name in _keys(table)]
            return "is not a known key" + did_you_mean(str(path[-1]), known)
        case "value_error":
            must = str(context["error"])
        case "literal_error":
            words = re.findall(r"'(\w+)'", context["expected"])
            must = f"must be one of {listed(words)}{did_you_mean(str(detail['input']), words)}"
        case "tuple_type" if any(_tables_at(model, path)):
            must = f"must be tables, each under [[{written(path)}]]"
        case kind:
            must = _MUST[kind]
    must, hint, near = must.partition(HINT)
    return f"{must}{_got(path, detail['input'])}{hint}{near}"


_MUST = {
    "string_type": "must be a text in quotes",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list in square brackets",
    "model_type": "must be a table",
}


def _keys(table: type[BaseModel]) -> list[str]:
    """What may be written in a table: its fields but the secrets, which are never written."""
    return [name for name in table.model_fields if f"{name}_env" not in table.model_fields]


def _tables_at(model: type[BaseModel], path: Path) -> Iterator[type[BaseModel]]:
    """The model of the table at a path, if there is a table."""
    names = [part for part in path if isinstance(part, str)]
    if not names:
        yield model
    elif field := model.model_fields.get(names[0]):
        for inner in _models(field.annotation):
            yield from _tables_at(inner, tuple(names[1:]))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _got(path: Path, value: object) -> str:
    """What stands there instead, where it can be shown: what points to a secret may be one by mistake."""
    name = str(path[-1]) if path else ""
    if name.endswith(("_env", "_file", "_url", "_sha256")):
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
