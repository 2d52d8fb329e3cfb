"""How a person's own machine joins: the lines to run there, and what the operator has set."""

from collections.abc import Mapping
from dataclasses import dataclass

AGENT_FILE = "meterbot-agent.py"
AGENT_FOLDER = "~/.local/share/meterbot"
UNINSTALL_LINE = f"python3 {AGENT_FOLDER}/{AGENT_FILE} uninstall"
WINDOWS_UNINSTALL_LINE = f"python $env:LOCALAPPDATA\\meterbot\\{AGENT_FILE} uninstall"


def unix_line(url: str, code: str) -> str:
    """Joins on macOS and Linux."""
    return f"curl -fsSL {url}/join/{code} | python3 -"


def windows_line(url: str, code: str) -> str:
    """Joins on Windows, in PowerShell."""
    return f"irm {url}/join/{code} | python -"


def dry_run_line(url: str) -> str:
    """Shows what would be sent; installs and sends nothing."""
    return f"curl -fsSL {url}/agent | python3 - --dry-run"


@dataclass(frozen=True, slots=True)
class JoinTerms:
    """What the operator has set. `url`: where the seats' machines reach this bot. `approvers`: platform → who may
    approve there; None: nobody has to. `configured`: the seats whose token's digest is configured. `agent_digest`: the
    SHA-256 of the agent that machines download, and `agent_version` its version."""

    url: str | None
    agent_digest: str = ""
    agent_version: str = ""
    approvers: Mapping[str, frozenset[str]] | None = None
    configured: frozenset[str] = frozenset()
