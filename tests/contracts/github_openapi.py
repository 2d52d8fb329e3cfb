"""Checks what the simulated GitHub sends against GitHub's own description of its webhooks, from npm."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package of their own
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

PACKAGE = "@octokit/openapi-webhooks"


class Contract:
    """The parsed description."""

    def __init__(self, description: dict[str, Any]) -> None:
        resource = Resource.from_contents(description, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource("urn:github", resource)

    def problems(self, schema: str, value: Any) -> list[str]:
        """The differences of a body from the schema of this name."""
        whole = {"$ref": f"urn:github#/components/schemas/{schema}"}
        judge = Draft202012Validator(whole, registry=self._registry)
        return [f"{error.json_path}: {error.message[:200]}" for error in judge.iter_errors(value)]


@cache
def contract(package: Path) -> Contract:
    """From the folder of the package."""
    return Contract(json.loads((package / "generated" / "api.github.com.json").read_bytes()))
