"""What only this machine can see, and is sent only when asked for: a throttle, and an estimate at list prices."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from meterbot.agent.document import instant
from meterbot.agent.machine import Machine
from meterbot.agent.trouble import PushError, SetupError
from meterbot.sources.exact_json import NotJsonError, parse

_PATIENCE = 120.0  # seconds: it reads every transcript of the month


def chosen(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list. Raises `SetupError` for one that is not known."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if unknown := [name for name in names if name not in KNOWN]:
        raise SetupError(f"--with {unknown[0]} is not known: there are {', '.join(KNOWN)}")
    return names


def gather(
    names: tuple[str, ...], machine: Machine, now: datetime, say: Callable[[str], None]
) -> dict[str, object]:
    """The extra members of a snapshot. One that cannot be had is said and left out: the numbers matter more."""
    found: dict[str, object] = {}
    for name in names:
        key, look = KNOWN[name]
        try:
            found[key] = look(machine, now)
        except PushError as trouble:
            say(f"{name} is left out: {trouble}")
    return found


def _throttle(machine: Machine, _now: datetime) -> dict[str, object]:
    """Claude Pace Maker's latest decision, and whether it is on at all."""
    directory = machine.home / ".claude-pace-maker"
    if not (directory / "usage.db").is_file():
        raise PushError("Claude Pace Maker has no usage.db here")
    try:
        with closing(
            sqlite3.connect(f"{(directory / 'usage.db').as_uri()}?mode=ro", uri=True, timeout=5)
        ) as database:
            latest = database.execute(
                "SELECT timestamp, should_throttle, delay_seconds FROM pacing_decisions ORDER BY timestamp DESC LIMIT 1"
            ).fetchone()
    except sqlite3.Error:
        raise PushError("Claude Pace Maker's usage.db cannot be read") from None
    if latest is None or not all(isinstance(part, int) for part in latest):
        raise PushError("Claude Pace Maker has decided nothing yet")
    decided, throttles, delay = latest
    enabled = _enabled(machine)
    return {
        "tool": "claude-pace-maker",
        "as_of": instant(datetime.fromtimestamp(decided, UTC)),
        "enabled": enabled,
        "throttling": enabled is not False and bool(throttles),
        "delay_seconds": delay,
    }


def _enabled(machine: Machine) -> bool | None:
    try:
        told = json.loads((machine.home / ".claude-pace-maker/config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    enabled = told.get("enabled") if isinstance(told, dict) else None
    return enabled if isinstance(enabled, bool) else None


def _estimate(machine: Machine, now: datetime) -> dict[str, object]:
    """What this month's tokens of Claude Code would cost at list prices, as the installed ccusage reckons it."""
    program = shutil.which("ccusage", path=machine.search_path)
    if program is None:
        raise PushError("ccusage is not installed here")
    period = now.astimezone(UTC).strftime("%Y-%m")
    since = period.replace("-", "") + "01"
    # Newer versions count other companies' programs too, unless told; older ones know only Claude Code.
    for report in (["claude", "monthly"], ["monthly"]):
        cost = _cost(_run(program, [*report, "--json", "--offline", "--since", since], machine), period)
        if cost is not None:
            minor = int((cost * 100).to_integral_value(ROUND_HALF_EVEN))
            return {
                "source": "ccusage",
                "period": period,
                "amount_minor": minor,
                "currency": "USD",
                "exponent": 2,
            }
    raise PushError(f"ccusage reports nothing for {period}")


def _run(program: str, arguments: list[str], machine: Machine) -> object:
    env = {name: value for name, value in machine.env.items() if not name.startswith("METERBOT_")}
    try:
        ran = subprocess.run(  # noqa: S603 - the program its user installed, no shell
            [program, *arguments],
            env={**env, "PATH": machine.search_path, "LOG_LEVEL": "0", "TZ": "UTC"},
            cwd=machine.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PushError("ccusage did not end in time") from None
    except OSError:
        raise PushError("ccusage cannot be started") from None
    try:
        return parse(ran.stdout) if ran.returncode == 0 else None
    except (NotJsonError, RecursionError):
        return None


def _cost(report: object, period: str) -> Decimal | None:
    """The month's `totalCost`, in dollars."""
    months = report.get("monthly") if isinstance(report, dict) else None
    for month in months if isinstance(months, list) else []:
        if (
            not isinstance(month, dict) or "agent" in month
        ):  # rows with an agent may hold other programs' costs
            continue
        cost = month.get("totalCost")
        if (
            month.get("month") in {period, period.replace("-", "")}
            and isinstance(cost, Decimal)
            and cost >= 0
        ):
            return cost if cost < Decimal(10) ** 10 else None
    return None


KNOWN: dict[str, tuple[str, Callable[[Machine, datetime], dict[str, object]]]] = {
    "pace-maker": ("throttle", _throttle),
    "ccusage": ("list_price_estimate", _estimate),
}
"""Each with its member of the snapshot."""
