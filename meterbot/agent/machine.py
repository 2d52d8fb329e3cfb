"""The machine the agent runs on: where its user's things are."""

import getpass
import hashlib
import os
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """`platform` as in `sys.platform`. `keychain` is the program that reads the macOS keychain; `program_places` are
    where installers put programs, beyond the search path: a scheduler's is shorter than a shell's."""

    env: Mapping[str, str]
    home: Path
    platform: str
    user: str
    keychain: str = "/usr/bin/security"
    program_places: tuple[Path, ...] = ()

    @property
    def search_path(self) -> str:
        """Where programs are looked for, as PATH has it."""
        return os.pathsep.join([*filter(None, [self.env.get("PATH")]), *map(str, self.program_places)])

    @property
    def claude_directory(self) -> Path:
        """Where Claude Code keeps its credentials."""
        return self._claude_override or self.home / ".claude"

    @property
    def claude_config(self) -> Path:
        """Claude Code's global file. It stands beside its directory, but inside one that was named to it."""
        return (self._claude_override or self.home) / ".claude.json"

    @property
    def keychain_service(self) -> str:
        """Claude Code's entry in the macOS keychain; each directory that was named to it has its own."""
        if self._claude_override is None:
            return "Claude Code-credentials"
        return f"Claude Code-credentials-{self._profile}"

    @property
    def config_directory(self) -> Path:
        return self._base("XDG_CONFIG_HOME", ".config") / "meterbot"

    @property
    def state_directory(self) -> Path:
        return self._base("XDG_STATE_HOME", ".local/state") / "meterbot"

    @property
    def memory_file(self) -> Path:
        """One per directory of Claude Code, as each is an account of its own."""
        name = "push" if self._claude_override is None else f"push-{self._profile}"
        return self.state_directory / f"{name}.json"

    @property
    def _claude_override(self) -> Path | None:
        named = self.env.get("CLAUDE_CONFIG_DIR", "")
        return Path(unicodedata.normalize("NFC", named)) if named else None

    @property
    def _profile(self) -> str:
        return hashlib.sha256(str(self._claude_override).encode()).hexdigest()[:8]

    def _base(self, variable: str, default: str) -> Path:
        if self.platform == "win32":
            return Path(self.env.get("LOCALAPPDATA") or self.home / "AppData/Local")
        named = Path(self.env.get(variable, ""))
        return named if named.is_absolute() else self.home / default


def this_machine(env: Mapping[str, str] = os.environ) -> Machine:
    """The real one. `env` is the environment with what a file of settings adds to it."""
    home = Path.home()
    places = (home / ".local/bin", home / ".claude/local", Path("/opt/homebrew/bin"), Path("/usr/local/bin"))
    return Machine(env, home, sys.platform, getpass.getuser(), program_places=places)
