"""The step for one seat: its name, plan, owner and source, and what the source needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tomli
from pydantic import AfterValidator, TypeAdapter

from meterbot.app.config import SCHEMA
from meterbot.app.config.types import AgentUrl, Listen, SeatName, SlackUser, Snowflake, Text
from meterbot.cli import seat_reads
from meterbot.cli.check import live
from meterbot.cli.setup.context import SetupContext, problem_of
from meterbot.cli.setup.files import DraftTable, KeptSecret, Value, drafted
from meterbot.cli.setup.prompts import RefusedError
from meterbot.cli.setup.secrets import SecretSpec, collect, make
from meterbot.core import cipher
from meterbot.core.findings import Check
from meterbot.core.plans import LIST_PRICES
from meterbot.ingest.pushes import PUSH

SOURCES = ("push", "claude_code", "claude_ai", "admin_api")
SECRET_KEY = SecretSpec("secret_key", "The secret key", "", "METERBOT_SECRET_KEY", "secret-key")
_SIGN_IN = "~/.claude/.credentials.json"
_TRIED = "METERBOT_INIT_CREDENTIAL"
_OWNER: Mapping[str, tuple[str, TypeAdapter[Any]]] = {
    "slack": (
        "Its owner's Slack member id (profile, Copy member ID; empty for none)",
        TypeAdapter(SlackUser),
    ),
    "discord": (
        "Its owner's Discord id (Developer Mode, Copy User ID; empty for none)",
        TypeAdapter(Snowflake),
    ),
}
_CONSOLE_OWNER: TypeAdapter[Any] = TypeAdapter(
    Annotated[str, Text('be "operator", the console\'s only user', "operator")]
)


def ask_name(context: SetupContext) -> str:
    """Empty when a person adds no further seat."""
    taken = [seat.get("name") for seat in context.document().get("seats", [])]

    def is_free(name: str) -> str:
        if name in taken:
            raise ValueError("is already the name of a seat")
        return name

    kind: TypeAdapter[Any] = TypeAdapter(Annotated[SeatName, AfterValidator(is_free)])
    question = "The next seat's name (empty: that is all)" if taken else "The first seat's name (such as ana)"
    return context.ask_for(question, "--seat", context.flags.seat, kind, default="" if taken else None)


def ask_seat(context: SetupContext, name: str) -> None:
    """Everything about the seat `name`; it has been read once where that is possible."""
    flags = context.flags
    source = flags.source or context.prompter.choose(
        "How its numbers arrive: push (its own machine sends them), claude_code (with the sign-in on this machine),"
        " claude_ai (with a session key) or admin_api (what an organization spends on the API)",
        "--source",
        SOURCES,
        "push",
    )
    values: dict[str, Value] = {"name": name, "source": source}
    if source == "claude_ai" and not {"secret_key_env", "secret_key_file"} & {*context.document()}:
        secret_key = make(context, SECRET_KEY, cipher.new_key())
        context.top[secret_key.key] = secret_key.name
    if source == "claude_code" and flags.credential.env is None and flags.credential.file is None:
        values["credentials_file"] = _SIGN_IN
        _check_sign_in(context, values)
    elif source != PUSH:
        spec = _credential(name, source)
        kept = collect(
            context, spec, flags.credential, lambda one: _read(context, values, one), may_be_kept=True
        )
        values[kept.key] = kept.name
    if source != "admin_api" and (plan := _ask_plan(context)):
        values["plan"] = plan
    if owner := _ask_owner(context):
        values["owner"] = owner
    if source == PUSH:
        _ask_listener(context)
    context.seats.append(name)
    context.tables.append(DraftTable("[[seats]]", values))


def _read(context: SetupContext, values: Mapping[str, Value], kept: KeptSecret | None = None) -> list[Check]:
    """Reads the new seat once before anything is written, with the existing file, which has to load. A session key that
    claude.ai renews meanwhile is stored if there is a database and a secret key, and else kept in `context`."""
    name, environ = str(values["name"]), {**context.environ}
    seat, top = dict(values), _existing_secret_key(context)
    if kept is not None:
        seat[f"{kept.kind}_env"], environ[_TRIED] = _TRIED, kept.value
        if kept.kind == "session_key":
            context.renewed[name] = seat_reads.Renewed(kept.value)
    tables = [DraftTable("[[seats]]", seat)]
    if "endpoints" not in tomli.loads(context.existing or ""):
        tables.append(DraftTable("[endpoints]", {**context.endpoints()}))
    config = context.loaded(drafted(context.existing, SCHEMA.as_uri(), top, tables), environ)

    async def reading() -> list[Check]:
        shots = await seat_reads.read_seats(config, [name], context.now(), context.renewed)
        return list(live.readings(config.seat_list(), shots))

    return context.try_out(reading)


def _existing_secret_key(context: SetupContext) -> dict[str, Value]:
    """What a new one encrypts is lost if nothing is written, so it stores nothing before."""
    return {
        one.key: one.name
        for one in context.secrets
        if one.kind == "secret_key"
        and not one.new
        and (not one.variable or context.environ.get(one.variable))
    }


def _check_sign_in(context: SetupContext, values: Mapping[str, Value]) -> None:
    offline = context.flags.offline  # the bot, with its sign-in, may be on another machine
    while not Path(_SIGN_IN).expanduser().exists():
        (context.say if offline else context.prompter.reject)(
            "Claude Code is not signed in here: run `claude` and type /login"
        )
        if not context.prompter.confirm("Look again, once you are signed in?"):
            if offline:
                return
            raise RefusedError("nothing was written")
    if problem := problem_of(_read(context, values)):
        context.prompter.reject(problem)
        if not context.prompter.confirm("Keep it anyway?"):
            raise RefusedError("nothing was written (--offline contacts no service)")


def _ask_listener(context: SetupContext) -> None:
    """Where the machines of seats that push reach the bot, and where it listens."""
    http, flags = context.document().get("http"), context.flags
    context.url = (
        context.url
        or (http or {}).get("public_url")
        or context.ask_for(
            "The address at which the seats' machines reach this bot (https, or the default for this machine only)",
            "--url",
            flags.url,
            TypeAdapter(AgentUrl),
            default=f"http://{flags.bind or '127.0.0.1:8080'}",
        )
    )
    if http is None:
        bind = context.ask_for("[http] bind", "--bind", flags.bind or "127.0.0.1:8080", TypeAdapter(Listen))
        context.tables.append(DraftTable("[http]", {"bind": bind, "public_url": context.url}))


def _ask_plan(context: SetupContext) -> str:
    if context.flags.plan is not None:
        return context.flags.plan
    chosen = context.prompter.choose("Its plan", "--plan", (*LIST_PRICES, "other"), "other")
    return "" if chosen == "other" else chosen


def _ask_owner(context: SetupContext) -> dict[str, str]:
    """Chat → id of the owner, whom alerts mention and who may ask for their own numbers."""
    document, found = context.document(), {}
    given = context.flags.owner
    for chat in dict.fromkeys([*context.flags.chats, *_OWNER]):
        if chat not in _OWNER or chat not in document:
            continue
        question, kind = _OWNER[chat]
        if answer := context.ask_for(question, "--owner", given, kind, default=""):
            found[chat] = answer
        given = None
    if given and (answer := context.ask_for("Its owner", "--owner", given, _CONSOLE_OWNER, default="")):
        found["console"] = answer
    return found


def _credential(name: str, source: str) -> SecretSpec:
    variable = "".join(letter if letter.isalnum() else "_" for letter in name.upper())
    if not variable[:1].isalpha():
        variable = f"SEAT_{variable}"
    if source == "claude_ai":
        title = "Its session key (the cookie sessionKey at claude.ai; it gives access to the whole account)"
        return SecretSpec(
            "session_key", title, "--credential", f"{variable}_SESSION_KEY", f"{name}-session-key"
        )
    title = "The organization's admin key" if source == "admin_api" else "Its OAuth token"
    return SecretSpec("token", title, "--credential", f"{variable}_TOKEN", f"{name}-token")
