"""The file of settings that a scheduler's run starts with: one NAME=VALUE per line, for its user's eyes only."""

import os
from collections.abc import Mapping
from pathlib import Path

from meterbot.agent.trouble import SetupError

KEPT = (
    "METERBOT_URL",
    "METERBOT_PUSH_TOKEN",
    "METERBOT_PUSH_TOKEN_FILE",
    "METERBOT_ALLOW_HTTP",
    "METERBOT_ANTHROPIC_API",
    "CLAUDE_CONFIG_DIR",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "PATH",  # where a shell finds `claude`, and a scheduler would not
)


def read(path: Path) -> dict[str, str]:
    """What the file sets. Raises `SetupError` when it cannot be read, or others could."""
    try:
        mode, text = path.stat().st_mode, path.read_text("utf-8")
    except (OSError, ValueError):
        raise SetupError(f"cannot read {path}: `meterbot push install` writes it") from None
    if os.name == "posix" and mode & 0o077:
        raise SetupError(f"{path} holds a token, and others may read it: chmod 600 {path}")
    lines = [line.strip() for line in text.splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    if any(not name.isidentifier() or not equals for name, equals, _ in pairs):
        raise SetupError(f"{path} has a line that is not NAME=VALUE")
    return {name: value for name, _, value in pairs}


def write(env: Mapping[str, str]) -> str:
    """The text of a file that sets the same. Raises `SetupError` for what a line cannot hold."""
    kept = {name: env[name] for name in KEPT if env.get(name)}
    for name, value in kept.items():
        if not value.isprintable():
            raise SetupError(f"{name} holds a line break or another character that no setting has")
    return "".join(f"{name}={value}\n" for name, value in kept.items())
