"""The JSON schema of `config.toml` for editors: `python -m tests.docs.schema` writes meterbot/meterbot.schema.json.

pydantic generates it from the configuration's models; the descriptions are the comments in config.example.toml.
"""

import json
import re
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from meterbot.app.config import Config
from meterbot.app.config.types import Text

ROOT = Path(__file__).parents[2]
STORED = ROOT / "meterbot" / "meterbot.schema.json"
Json = dict[str, Any]
_SECRET: Json = {"type": "string"}


class _AsWritten(GenerateJsonSchema):
    """TOML has no null, the comments name the defaults, and a secret is named by where it is."""

    def function_plain_schema(self, schema: Any) -> Json:
        text = getattr(schema["function"]["function"], "__self__", None)
        if not isinstance(text, Text):
            return super().function_plain_schema(schema) if "json_schema_input_schema" in schema else _SECRET
        written: Json = {"type": "string"}
        written |= {"pattern": f"^(?:{text.pattern})$"} if text.pattern else {}
        written |= {"examples": [*text.examples]} if text.examples else {}
        return {"anyOf": [written, {"type": text.number}]} if text.number else written

    def model_schema(self, schema: Any) -> Json:
        made, secrets = super().model_schema(schema), schema["cls"].secrets()
        properties: Json = {}
        for key, value in made.get("properties", {}).items():
            pointers = {f"{key}_env": _SECRET, f"{key}_file": _SECRET}
            properties |= pointers if key in secrets else {key: value}
        required = [key for key in made.get("required", ()) if key in properties]
        return {**made, "properties": properties, "required": required}

    def default_schema(self, schema: Any) -> Json:
        return self.generate_inner(schema["schema"])

    def nullable_schema(self, schema: Any) -> Json:
        return self.generate_inner(schema["schema"])


def schema() -> Json:
    """JSON Schema (2020-12) of the file."""
    made = Config.model_json_schema(schema_generator=_AsWritten)
    tables: dict[str, Json] = {"": made, **made["$defs"]}
    for table in tables.values():
        for key in table.get("properties", {}).values():
            key.pop("title", None)
        if not table.get("required"):
            table.pop("required", None)
    said = descriptions((ROOT / "config.example.toml").read_text("utf-8"))
    _describe(made, tables, "", said)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "config.toml of meterbot",
    }


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _describe(table: Json, tables: dict[str, Json], path: str, said: dict[tuple[str, str], str]) -> None:
    for key, value in table.get("properties", {}).items():
        for inner in set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(value))):
            _describe(tables[inner], tables, f"{path}.{key}".strip("."), said)
        if (path, key) in said:
            value["description"] = said[path, key]


def descriptions(example: str) -> dict[tuple[str, str], str]:
    """(table, key) → the comment above the key, or behind it. A key without one has that of the key before it, or of
    its table."""
    found: dict[tuple[str, str], str] = {}
    table, above, last = "", list[str](), ""
    for line in example.splitlines():
        if header := re.match(r"\[+([\w.]+)\]+(?: # (.*))?", line):
            table, above, last = header[1], [], header[2] or ""
        elif key := re.match(r"(?:# )?(\w+) = (?:[^#]|#(?! ))*(?:# (.*))?$", line):
            last = key[2] or " ".join(above) or last
            found[table, key[1]] = last
            above = []
        elif line.startswith("# "):
            above.append(line[2:])
        else:
            above = []
    return {key: words for key, words in found.items() if words}


if __name__ == "__main__":
    STORED.write_text(text(), "utf-8")
