import json
import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from meterbot.agent import program
from meterbot.agent.trouble import RefusedError
from tests.agent.rig import ACCESS, PUSH_TOKEN, Home
from tests.agent.rig import program as executable
from tests.sources.bodies import USAGE

ANSWER = {"subscription_type": "max", "rate_limits_available": True, "rate_limits": USAGE}


def ask(home: Home, patience: float = 30.0) -> object:
    return program.ask(home.machine, home.path, patience)


def test_claude_code_tells_its_numbers_without_a_prompt(home: Home) -> None:
    home.install_claude(ANSWER)
    numbers = ask(home)
    assert isinstance(numbers, dict)
    assert numbers["extra_usage"]["used_credits"] == Decimal("1720.5")
    arguments, _, _, request = json.loads((home.path / "seen.json").read_text())
    assert request["type"] == "control_request"
    assert request["request"]["subtype"] == "get_usage"
    assert "-p" in arguments
    assert "--no-session-persistence" in arguments


def test_it_is_started_apart_from_secrets_projects_and_other_accounts(home: Home) -> None:
    home.env |= {
        "CLAUDE_CODE_OAUTH_TOKEN": ACCESS,
        "ANTHROPIC_API_KEY": "sk-ant-api03-planted",
        "ANTHROPIC_BASE_URL": "https://elsewhere.example",
        "CLAUDE_CONFIG_DIR": str(home.path / "work"),
        "HTTPS_PROXY": "http://proxy.example:1",
    }
    home.install_claude(ANSWER)
    ask(home)
    _, env, directory, _ = json.loads((home.path / "seen.json").read_text())
    assert {name for name in env if name.startswith(("METERBOT", "ANTHROPIC", "CLAUDE_CODE"))} == set()
    assert PUSH_TOKEN not in json.dumps(env)
    assert env["CLAUDE_CONFIG_DIR"] == str(home.path / "work")
    assert env["HTTPS_PROXY"] == "http://proxy.example:1"
    assert directory == str(home.path)


@pytest.mark.parametrize(
    ("answer", "subtype"),
    [
        ({"error": "Unsupported control request subtype: get_usage"}, "error"),
        ({"subscription_type": None, "rate_limits_available": False, "rate_limits": None}, "success"),
        ({"rate_limits": None}, "success"),
        ({"rate_limits": []}, "success"),
        ("words", "success"),
        (None, "success"),
    ],
    ids=["an older version", "not signed in", "nothing", "a list", "words", "null"],
)
def test_a_program_that_cannot_tell_is_no_failure(home: Home, answer: object, subtype: str) -> None:
    home.install_claude(answer, subtype=subtype)
    assert ask(home) is None


def test_a_program_that_has_no_numbers_just_now_is_one(home: Home) -> None:
    home.install_claude({"rate_limits_available": True, "rate_limits": None})
    with pytest.raises(RefusedError, match="no numbers at the moment"):
        ask(home)


def test_no_program_is_no_failure(home: Home) -> None:
    assert ask(home) is None


@pytest.mark.parametrize(
    "source", ["raise SystemExit(1)", "print('x' * 100_000)", "import os; os.close(1); os.close(0)"]
)
def test_a_program_that_leaves_without_an_answer_is_no_failure(home: Home, source: str) -> None:
    executable(home.path / "bin", "claude", source)
    assert ask(home) is None


def test_a_file_that_cannot_be_started_is_no_failure(home: Home) -> None:
    (home.path / "bin").mkdir()
    (home.path / "bin/claude").write_text("#!/nowhere/at/all\n")
    (home.path / "bin/claude").chmod(0o755)
    assert ask(home) is None


def test_a_program_that_hangs_is_ended_with_all_it_started(home: Home, tmp_path: Path) -> None:
    pipe = tmp_path / "alive"
    os.mkfifo(pipe)
    # Whoever holds the pipe's other end is alive: the program, and the child that it leaves behind.
    executable(
        home.path / "bin",
        "claude",
        f"""import subprocess, sys
end = open({str(pipe)!r}, "w")
end.write("started")
end.flush()
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], pass_fds=[end.fileno()])
import time; time.sleep(300)
""",
    )
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert ask(home, patience=1.0) is None
        os.set_blocking(descriptor, True)
        heard = b""
        while part := os.read(descriptor, 100):  # ends when nobody holds the other end
            heard += part
        assert heard == b"started"
    finally:
        os.close(descriptor)


def test_the_place_where_an_installer_put_it_is_looked_at(home: Home) -> None:
    home.install_claude(ANSWER)
    machine = home.machine
    (home.path / "elsewhere").mkdir()
    (home.path / "bin/claude").rename(home.path / "elsewhere/claude")
    assert program.ask(machine, home.path) is None
    there = replace(machine, program_places=(home.path / "elsewhere",))
    assert program.ask(there, home.path) is not None
