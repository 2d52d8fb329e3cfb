"""The lines that a person runs on their own machine, in the chat and on the page of `/join/CODE`."""

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
