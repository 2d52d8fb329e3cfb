"""Checks the requests of a bot and the answers of the simulated Discord against Discord's own OpenAPI description.

The project does not contain the description: it is looked for at `METERBOT_DISCORD_OPENAPI`, else at
`../shared/contracts/discord-openapi.json` beside the repository.
"""

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package of their own
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.simulator.discord import Exchange

_BESIDE = Path(__file__).parents[3] / "shared" / "contracts" / "discord-openapi.json"
PATH = Path(os.environ.get("METERBOT_DISCORD_OPENAPI") or _BESIDE)
MISSING = "Discord's OpenAPI description (METERBOT_DISCORD_OPENAPI)"


@cache
def contract() -> "Contract | None":
    """The description; None if it is absent."""
    return Contract(json.loads(PATH.read_bytes(), object_hook=_enumerated)) if PATH.is_file() else None


def _enumerated(part: dict[str, Any]) -> dict[str, Any]:
    """One of many constants becomes an enum, which takes jsonschema a fraction of the time."""
    choices = part.get("oneOf")
    if not isinstance(choices, list) or not all("const" in choice for choice in choices):
        return part
    constants = [choice["const"] for choice in choices]
    return {name: value for name, value in part.items() if name != "oneOf"} | {"enum": constants}


class Contract:
    """The parsed description."""

    def __init__(self, description: dict[str, Any]) -> None:
        self._description = description
        resource = Resource.from_contents(description, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource("urn:discord", resource)

    def problems(self, exchange: Exchange) -> list[str]:
        """The differences of a request or its answer from the description. Server errors are not in it."""
        where = f"{exchange.method} {exchange.path}"
        operation = self._description["paths"].get(exchange.path, {}).get(exchange.method.lower())
        if operation is None:
            return [f"{where}: Discord has no such route"]
        found = [f"{where} request: {problem}" for problem in self._request(operation, exchange.sent)]
        if exchange.status < 500:
            answered = self._answer(operation, exchange.status, exchange.answered)
            found += [f"{where} answer {exchange.status}: {problem}" for problem in answered]
        return found

    def _request(self, operation: dict[str, Any], sent: Any) -> Iterator[str]:
        schema = self._schema(operation.get("requestBody", {}))
        if sent is None:
            if schema is not None:
                yield "no body"
        elif schema is None:
            yield "a body where none belongs"
        else:
            yield from self._wrong(schema, sent)

    def _answer(self, operation: dict[str, Any], status: int, answered: Any) -> Iterator[str]:
        responses = operation["responses"]
        response = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if response is None:
            yield "no such status"
            return
        schema = self._schema(self._resolved(response))
        if schema is not None and answered is not None:
            yield from self._wrong(schema, answered)
        elif (schema is None) != (answered is None) and status != 429:  # Cloudflare's 429 has no JSON
            yield "a body where none belongs, or none where one does"

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        name = part.get("$ref", "").removeprefix("#/components/responses/")
        resolved: dict[str, Any] = self._description["components"]["responses"][name] if name else part
        return resolved

    @staticmethod
    def _schema(part: dict[str, Any]) -> Any:
        return part.get("content", {}).get("application/json", {}).get("schema")

    def _wrong(self, schema: Any, value: Any) -> Iterator[str]:
        rebased = json.loads(json.dumps(schema).replace('"#/components', '"urn:discord#/components'))
        for error in Draft202012Validator(rebased, registry=self._registry).iter_errors(value):
            yield f"{error.json_path}: {error.message[:300]}"
