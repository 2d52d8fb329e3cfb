"""`meterbot.schema.json`, which editors read, says what the loader does."""

import json
import re
from contextlib import nullcontext as does_not_raise
from pathlib import Path
from typing import Any

import pytest
import tomli
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package of their own
from pydantic import BaseModel

from meterbot.app.config import Config
from tests.app.config.test_example import EXAMPLE, keys
from tests.app.config.writing import ANA, SESSION_KEY, loaded, problems
from tests.docs import schema

ROOT = Path(__file__).parents[3]
SCHEMA = schema.schema()


def complaints(text: str) -> list[str]:
    # JSON has no instants: editors judge TOML's as texts.
    document = json.loads(json.dumps(tomli.loads(text), default=str))
    errors = Draft202012Validator(SCHEMA).iter_errors(document)
    return [".".join(map(str, error.absolute_path)) for error in errors]


def test_the_stored_one_is_that_of_this_version() -> None:
    assert schema.STORED.read_text("utf-8") == schema.text(), "stale: run make docs"


def test_it_is_a_schema() -> None:
    with does_not_raise():
        Draft202012Validator.check_schema(SCHEMA)


def test_it_is_shipped_and_the_example_points_to_it() -> None:
    first, _, _ = EXAMPLE.partition("\n")
    assert ROOT / first.removeprefix("#:schema ") == schema.STORED
    project = tomli.loads((ROOT / "pyproject.toml").read_text())
    assert schema.STORED.name in project["tool"]["setuptools"]["package-data"]["meterbot"]


def test_the_example_is_taken() -> None:
    assert complaints(EXAMPLE) == []


def tables(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Path of a table → its properties in the schema; those of seats are of all sources together."""
    found = {"": SCHEMA["properties"]}
    for path, _ in keys(model):
        properties = SCHEMA["properties"]
        for part in filter(None, path.split(".")):
            references = re.findall(r'"#/\$defs/(\w+)"', json.dumps(properties[part]))
            properties = {
                key: value
                for each in references
                for key, value in SCHEMA["$defs"][each]["properties"].items()
            }
        found[path] = properties
    return found


def test_it_offers_every_key_that_may_be_written_and_no_other() -> None:
    offered = {(path, key) for path, table in tables(Config).items() for key in table}
    tables_themselves = {
        (path.rpartition(".")[0], path.rpartition(".")[2]) for path in tables(Config) if path
    }
    assert offered - tables_themselves == {*keys(Config)}


def test_it_explains_every_key_but_those_whose_table_is_explained() -> None:
    inline = {"push.approvers", "privacy.operators", "seats.digest", "seats.owner"}
    bare = [
        f"{path}.{key}"
        for path, key in keys(Config)
        if path not in inline and "description" not in tables(Config)[path][key]
    ]
    assert bare == []


def test_no_table_offers_a_place_for_a_secret() -> None:
    for literal in ("bot_token", "app_token", "signing_secret"):
        assert complaints(f'[slack]\nchannel = "C0123456789"\n{literal} = "x"\n{ANA}') == ["slack"]
    assert complaints(f'{ANA}session_key = "{SESSION_KEY}"\n') == ["seats.0"]
    assert complaints(f'secret_key = "x"\n{ANA}') == [""]


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("poll_interval", '"90s"', '"90"'),
        ("plan_price", '"50.00"', '"fifty"'),
        ("plan_price", "50.5", "true"),
        ("plan_currency", '"EUR"', '"EURO"'),
        ("organizations", '["00000000-0000-4000-8000-000000000001"]', '["mine"]'),
        ("owner", '{ slack = "U0123", discord = 12345 }', '{ slack = "ana" }'),
        ("owner", '{ github = "ana" }', '{ gitlab = "ana" }'),
    ],
)
def test_editor_and_loader_agree(key: str, good: str, bad: str) -> None:
    assert complaints(f"{ANA}{key} = {good}\n") == []
    assert loaded(f"{ANA}{key} = {good}\n").seats
    assert complaints(f"{ANA}{key} = {bad}\n")
    assert problems(f"{ANA}{key} = {bad}\n")
