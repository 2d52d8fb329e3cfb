"""The agent as one script that any `python3` from 3.8 on runs, as the bot serves it."""

import ast
from collections import defaultdict
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
    """The imports of the standard library, sorted."""
    plain: set[str] = set()
    named: defaultdict[str, set[str]] = defaultdict(set)
    for node in (node for source in sources for node in ast.parse(source).body):
        if isinstance(node, ast.Import):
            plain |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not _is_left_out(node):
            named[node.module or ""] |= {alias.name for alias in node.names}
    lines = [f"import {name}\n" for name in sorted(plain)]
    return "".join(
        [*lines, *(f"from {module} import {', '.join(sorted(named[module]))}\n" for module in sorted(named))]
    )


def _is_left_out(node: ast.ImportFrom) -> bool:
    """Whether the module is part of the script, or its import is already at the script's top."""
    return (node.module or "").startswith(("meterbot", "__future__"))


def _without_imports(source: str) -> str:
    """A module's text, with its docstring as a comment above it."""
    tree = ast.parse(source)
    lines = source.splitlines()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            lines[node.lineno - 1 : node.end_lineno] = [""] * (
                (node.end_lineno or node.lineno) - node.lineno + 1
            )
    docstring = ast.get_docstring(tree) or ""
    lines[: tree.body[0].end_lineno] = []
    comment = "\n".join(f"# {line}".rstrip() for line in docstring.splitlines())
    return f"\n\n{comment}\n\n" + "\n".join(lines).strip("\n") + "\n"
