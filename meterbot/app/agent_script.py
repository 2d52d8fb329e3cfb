"""The agent as one script that any `python3` from 3.8 on runs, as the bot serves it."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import meterbot
from meterbot import agent

MODULES = ("storage", "network", "document", "claude_code", "scheduler", "main")
"""Each module needs only those before it."""

_PLACEHOLDER = 'VERSION = "source"  # the served script has its version here'
_HEADER = f'''#!/usr/bin/env python3
"""{(agent.__doc__ or "").strip()}
"""

from __future__ import annotations

'''
_FOOTER = """

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], [sys.executable, os.path.abspath(__file__)]))
"""


@dataclass(frozen=True, slots=True)
class AgentScript:
    """`version` changes with every change of the text. `digest` is its SHA-256 in hexadecimal."""

    text: bytes
    version: str
    digest: str


@cache
def agent_script() -> AgentScript:
    """The modules of `meterbot.agent` one after the other, their imports merged at the top. The same sources always
    give the same bytes."""
    sources = [(Path(agent.__path__[0]) / f"{name}.py").read_text("utf-8") for name in MODULES]
    body = _merged_imports(sources) + "".join(map(_without_imports, sources))
    version = f"{meterbot.__version__}+{sha256(body.encode()).hexdigest()[:8]}"
    text = _HEADER + body.replace(_PLACEHOLDER, f'VERSION = "{version}"') + _FOOTER
    return AgentScript(text.encode(), version, sha256(text.encode()).hexdigest())


def _merged_imports(sources: Iterable[str]) -> str:
    """The imports of the standard library, each name once."""
    names: set[tuple[str, str]] = set()
    for node in (node for source in sources for node in ast.parse(source).body):
        if isinstance(node, ast.Import):
            names |= {("", alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(
            ("meterbot", "__future__")
        ):
            names |= {(f"from {node.module} ", alias.name) for alias in node.names}
    return "".join(f"{module}import {name}\n" for module, name in sorted(names))


def _without_imports(source: str) -> str:
    """A module's text, with its docstring as a comment above it."""
    tree = ast.parse(source)
    lines = source.splitlines()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    docstring = ast.get_docstring(tree) or ""
    lines[: tree.body[0].end_lineno] = []
    comment = "\n".join(f"# {line}".rstrip() for line in docstring.splitlines())
    return f"\n\n{comment}\n\n" + "\n".join(lines).strip("\n") + "\n"
