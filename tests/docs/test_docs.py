"""README.md, docs/ and deploy/ agree with the program."""

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext as does_not_raise
from pathlib import Path
from typing import Any

import pytest
import tomli
import typer
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package of their own
from typer.testing import CliRunner

from meterbot.app.config import Config, load
from meterbot.app.config.seats import SOURCES
from meterbot.app.web import application
from meterbot.chat.command_words import HELP_WORDS
from meterbot.chat.discord import failures as rest
from meterbot.chat.slack import web_api
from meterbot.cli import cli
from meterbot.core.cipher import new_key
from meterbot.core.findings import Check, Status
from meterbot.core.models import EventKind, Health
from tests.app.config.test_example import keys
from tests.app.config.writing import (
    APP_TOKEN,
    BOT_TOKEN,
    DISCORD_TOKEN,
    SESSION_KEY,
    SIGNING_SECRET,
    WEBHOOK_SECRET,
)
from tests.docs import reference, schema
from tests.docs.pages import (
    PAGES,
    README,
    ROOT,
    blocks,
    codes,
    rows,
    table,
)

UNIT = (ROOT / "deploy/systemd/meterbot.service").read_text("utf-8")
SECRETS = {
    "session_key": SESSION_KEY,
    "slack.bot_token": BOT_TOKEN,
    "slack.app_token": APP_TOKEN,
    "slack.signing_secret": SIGNING_SECRET,
    "discord.bot_token": DISCORD_TOKEN,
    "secret_key": new_key(),
}
VARIABLES = {
    "SLACK_BOT_TOKEN": BOT_TOKEN,
    "SLACK_APP_TOKEN": APP_TOKEN,
    "SLACK_SIGNING_SECRET": SIGNING_SECRET,
    "DISCORD_TOKEN": DISCORD_TOKEN,
    "GITHUB_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "GITHUB_TOKEN": "github_pat_planted",
}
SEAT = """
[[seats]]
name = "somebody"
source = "claude_ai"
session_key_env = "SOMEBODY_SESSION_KEY"
"""


# --- commands -----------------------------------------------------------------------------------------------------


def test_the_page_of_all_commands_is_what_they_say_now() -> None:
    assert PAGES["docs/commands.md"] == reference.commands_page(), (
        "not what the program says now: run make docs"
    )


def groups(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if hasattr(command, "commands"):
        yield path
        for name, inner in command.commands.items():
            yield from groups(inner, (*path, name))


@pytest.mark.parametrize("path", [*groups(typer.main.get_command(cli))], ids=" ".join)
def test_no_command_is_cut_off_where_all_are_listed(path: tuple[str, ...]) -> None:
    listed = CliRunner().invoke(cli, [*path, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).stdout
    (lines,) = re.findall(r"^Commands:\n((?:  .*\n)+)", listed, re.MULTILINE)
    assert "..." not in lines


def written_commands() -> Iterator[tuple[str, str]]:
    """(page, command line) of everything that a reader may type."""
    # At the beginning of a line of code, or after a path, a variable, `heroku run` or `$(`; up to a comment or a
    # bracket.
    typed = r"(?:^|/bin/|\$\(|heroku run |[A-Z_]+=\S+ )(meterbot \S[^#|&)]*?)\s*(?: #.*|[|&)\"].*)?$"
    for name, page in PAGES.items():
        whole = page.replace("\\\n", " ")
        code = re.findall(r"^ {4,}(\S.*)$", whole, re.MULTILINE)
        code += [line.strip() for block in blocks(whole, "(?:ba|z)?sh") for line in block.splitlines()]
        lines = [line for text in code for line in re.findall(typed, text)]
        spans = re.findall(r"`(meterbot [a-z].*?)`", page)
        yield from ((name, line) for line in [*lines, *spans])
    procfile = (ROOT / "Procfile").read_text("utf-8")
    yield from (("Procfile", line) for line in re.findall(r"(meterbot .*)$", procfile, re.MULTILINE))
    yield from (("unit", line) for line in re.findall(r"^ExecStart=.*?/(meterbot .*)$", UNIT, re.MULTILINE))


def parse(line: str) -> None:
    """Reads a command line as typer does, and runs nothing. Raises what typer raises."""
    command: Any = typer.main.get_command(cli)
    name, *words = shlex.split(line)
    parent = None
    while True:
        context = command.make_context(name, words, parent=parent)
        left = [*context._protected_args, *context.args]
        if not hasattr(command, "commands") or (command.invoke_without_command and parent and not left):
            return
        name, command, words = command.resolve_command(context, left)
        parent = context


@pytest.mark.parametrize(("page", "line"), sorted(set(written_commands())))
def test_a_written_command_can_be_typed(page: str, line: str) -> None:
    del page
    # Only named there, and shown with their argument on pages of their own.
    named = line in {
        "meterbot ask",
        "meterbot discord invite",
        "meterbot seat add",
        "meterbot seat forget",
        "meterbot seat invite",
        "meterbot db restore",
    }
    with does_not_raise():
        parse(f"{line} 1" if named else line.replace("APPLICATION_ID", "1"))


@pytest.mark.parametrize(
    "line", ["meterbot pull", "meterbot seat adds", "meterbot check --now", "meterbot slack manifest now"]
)
def test_a_command_that_does_not_exist_would_be_noticed(line: str) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|unexpected"):
        parse(line)


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    named = {target for page in PAGES.values() for target in re.findall(r"(?:`| {4})make (\w+)", page)}
    assert named
    assert named <= {*phony.split()}


# --- questions and alerts -----------------------------------------------------------------------------------------


def test_the_words_that_can_be_asked_are_those_that_are_answered() -> None:
    cells = table(PAGES["docs/asking.md"], "`/claude-spend`")
    assert [cell.replace(", or nothing", "").strip("`") for cell in cells] == [
        word.usage for word in HELP_WORDS
    ]


def test_every_kind_of_alert_is_in_the_table_and_no_other() -> None:
    assert sorted(codes(table(PAGES["docs/alerts.md"], "kind"))) == sorted(EventKind)


# --- words ---------------------------------------------------------------------------------------------------------


def test_every_word_of_health_is_explained() -> None:
    documented = rows(PAGES["docs/operations.md"], "word")
    assert codes([row[0] for row in documented]) == [*Health], (
        "explain the word in docs/operations.md, and say what to do"
    )
    assert all(len(row) == 3 and all(row) for row in documented)


def test_every_refusal_that_has_a_remedy_is_explained() -> None:
    documented = " ".join(row[1] for row in rows(PAGES["docs/operations.md"], "from"))
    known = [
        *web_api.REMEDIES,
        *(str(code) for code in rest._ADVICE if code != 10008),
    ]  # 10008: no remedy
    assert [code for code in known if code not in documented] == [], "explain it in docs/operations.md"


# --- configuration ------------------------------------------------------------------------------------------------


def overview() -> str:
    (rows,) = re.findall(r"^\| table \|.*\n(?:\|.*\n)+", PAGES["docs/configuration.md"], re.MULTILINE)
    return str(rows)


def test_every_table_of_the_configuration_is_in_the_overview() -> None:
    rows = overview()
    written = [key for key in Config.model_fields if key not in Config.secrets()]
    assert [key for key in written if not re.search(rf"[`\[]{key}[`\].]", rows)] == []


def test_every_key_in_the_overview_exists() -> None:
    known = {key for _, key in keys(Config)} | {"owner", "approvers", "operators"}
    named = re.findall(r"`([a-z_]+)`", overview())
    assert named
    assert [key for key in named if key not in known] == []


def test_every_source_is_in_the_table() -> None:
    sources = SOURCES
    assert sorted(codes(table(README, "source"))) == sorted(sources)


def toml_blocks() -> list[tuple[str, str]]:
    return [(name, text) for name, page in PAGES.items() for text in blocks(page, "toml")]


@pytest.mark.parametrize(("page", "text"), toml_blocks())
def test_a_written_configuration_loads(page: str, text: str, tmp_path: Path) -> None:
    """With the variables that its own page names; docs/vps.md hands over credentials instead, see below."""
    if "[[seats]]" not in text:
        text += SEAT
    environ = {name: value for name, value in VARIABLES.items() if name in PAGES[page]}
    environ |= dict.fromkeys(
        re.findall(r'^(?:session_key|token)_env = "(\w+)"', text, re.MULTILINE), SESSION_KEY
    )
    if page == "docs/vps.md":
        environ = {"CREDENTIALS_DIRECTORY": str(credentials(tmp_path))}
    environ["METERBOT_CONFIG_TOML"] = text
    assert load(None, environ, tmp_path).seats


@pytest.mark.parametrize(("page", "text"), toml_blocks())
def test_an_editor_takes_a_written_configuration(page: str, text: str) -> None:
    del page
    # JSON has no instants: editors judge TOML's as texts.
    document = json.loads(json.dumps(tomli.loads(text if "[[seats]]" in text else text + SEAT), default=str))
    Draft202012Validator(schema.schema()).validate(document)


def credentials(folder: Path) -> Path:
    """What systemd puts there by the lines on the page and in the unit."""
    for name in re.findall(r"^LoadCredential=([^:]+):", UNIT + PAGES["docs/vps.md"], re.MULTILINE):
        if name != "config.toml":
            seat_or_chat = SECRETS["session_key"] if name.endswith(".session_key") else SECRETS[name]
            (folder / name).write_text(f"{seat_or_chat}\n")
    return folder


def test_the_credentials_of_the_page_are_the_files_of_the_page() -> None:
    page = PAGES["docs/vps.md"]
    loaded = dict(re.findall(r"^LoadCredential=([^:]+):/etc/meterbot/(.+)$", page, re.MULTILINE))
    assert sorted(loaded.values()) == sorted(re.findall(r"^ +cat > (\S+)", page, re.MULTILINE))


def test_every_variable_that_is_named_is_read_somewhere() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "meterbot").rglob("*.py"))
    # Every variable of a secret may end in _FILE.
    pattern = r"\b(?:METERBOT|SLACK|DISCORD)_[A-Z_]+\b|\bDATABASE_URL\b|\bCREDENTIALS_DIRECTORY\b"
    named = {name for page in [*PAGES.values(), UNIT] for name in re.findall(pattern, page)}
    assert [
        name for name in sorted(named) if not re.search(rf"\b{name.removesuffix('_FILE')}\b", source)
    ] == []


# --- HTTP and addresses -------------------------------------------------------------------------------------------


async def _no_health() -> Any:
    raise NotImplementedError


def test_every_route_is_reported() -> None:
    routes = {route.resource.canonical for route in application(_no_health).router.routes() if route.resource}
    assert [path for path in [*routes, "/slack/events"] if f"`{path}`" not in "".join(PAGES.values())] == []


# --- links --------------------------------------------------------------------------------------------------------


def anchors(page: str) -> set[str]:
    """GitHub's anchors of a page's headings."""
    count: defaultdict[str, int] = defaultdict(int)
    found = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page, flags=re.DOTALL), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{slug}-{count[slug]}" if count[slug] else slug)
        count[slug] += 1
    return found


def links() -> list[tuple[str, str]]:
    pattern = r"\]\(([^)\s]+)\)"
    return sorted(
        {
            (name, target)
            for name, page in PAGES.items()
            for target in re.findall(pattern, page)
            if "://" not in target
        }
    )


@pytest.mark.parametrize(("page", "target"), links())
def test_a_link_leads_somewhere(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    there = (ROOT / page).parent / path if path else ROOT / page
    assert there.exists(), target
    assert not anchor or anchor in anchors(there.read_text("utf-8")), target


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_table_has_the_cells_of_its_heading(page: str) -> None:
    text = re.sub(r"^ *```.*?^ *```$", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    for rows_of_one in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = rows_of_one.splitlines()
        assert re.fullmatch(r"[|:-]+", lines[1]), "a heading, and a line below it"
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {lines[1].count("|")}, rows_of_one
        assert [line for line in lines if not line.endswith("|")] == []


def test_every_page_is_in_the_index_which_the_readme_names() -> None:
    linked = {target for page, target in links() if page == "docs/README.md"}
    pages = {name.removeprefix("docs/") for name in PAGES if name.startswith("docs/")}
    assert pages - {"README.md"} <= linked, "name every page of docs/ in docs/README.md"
    assert ("README.md", "docs/README.md") in links()


# --- length -------------------------------------------------------------------------------------------------------


def test_the_pages_and_the_changelog_stay_short() -> None:
    words = [word for name, page in PAGES.items() if name.startswith("docs/") for word in page.split()]
    assert len(words) <= 12_000, "cut something in docs/: `wc -w docs/*.md` counts the words"
    version, *_ = re.split(r"^(?=## )", PAGES["CHANGELOG.md"].partition("\n## ")[2], flags=re.MULTILINE)
    assert len(version.splitlines()) <= 25


# --- docs/checks.md -----------------------------------------------------------------------------------------------


def check_ids() -> set[str]:
    """As they are written in the source: first in what makes a finding."""
    sources = [path.read_text("utf-8") for path in (ROOT / "meterbot").rglob("*.py")]
    return {id_ for text in sources for id_ in re.findall(r'\b(?:Check|_failed)\(\s*"(\w+)"', text)}


def test_every_check_has_its_heading_and_every_heading_its_check() -> None:
    assert {*re.findall(r"^## (\w+)$", PAGES["docs/checks.md"], re.MULTILINE)} == check_ids()


def test_a_finding_names_its_place_on_the_page() -> None:
    assert Check("clock", Status.OK, "right").page == "docs/checks.md#clock"
    assert (ROOT / "docs/checks.md").exists()
