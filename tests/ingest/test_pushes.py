"""What the agent sends is what the bot reads: the same numbers as if it had read them itself."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from meterbot.agent import document, extras
from meterbot.core.models import Estimate, Health, Seat
from meterbot.core.money import Money
from meterbot.sources.exact_json import parse
from meterbot.sources.extra_usage import metering_of
from meterbot.sources.fields import DriftNotes
from meterbot.sources.pushed import snapshots_of
from meterbot.sources.responses import Missing
from meterbot.sources.windows import windows_of
from tests.agent.rig import ACCOUNT, NOW, ORG, PUSH_TOKEN, Home, program
from tests.sources.bodies import USAGE, sent

SEAT = Seat("ana", "push")
FORMAT = Path(__file__).parents[2] / "docs/push-format.md"


def test_meterbot_reads_the_numbers_that_were_there() -> None:
    usage = sent(USAGE)
    one = document.snapshot(usage, org_uuid=ORG, account_uuid=ACCOUNT, fetched_at=NOW)
    (got,) = snapshots_of(SEAT, document.render(one), NOW)
    assert got.windows == windows_of(usage, DriftNotes())
    assert got.extra_usage == metering_of(usage, Missing.FAILED, DriftNotes()).extra
    assert (got.org_uuid, got.account_uuid, got.fetched_at, got.health) == (ORG, ACCOUNT, NOW, Health.OK)
    assert got.drift == got.errors == ()


def test_meterbot_reads_the_extras_that_the_agent_adds(tmp_path: Path) -> None:
    home = Home(tmp_path, {"METERBOT_URL": "http://127.0.0.1:9", "METERBOT_PUSH_TOKEN": PUSH_TOKEN})
    one = document.render(
        [document.snapshot(sent(USAGE), org_uuid=ORG, account_uuid=ACCOUNT, fetched_at=NOW)]
    )
    report = {"monthly": [{"month": "2026-04", "totalCost": 123.45}]}
    program(home.path / "bin", "ccusage", f"print({json.dumps(report)!r})")
    extra = extras.gather(("ccusage",), home.machine, NOW, home.said.append)
    plain, more = (
        snapshots_of(SEAT, document.compose(one.decode(), members), NOW)[0] for members in ({}, extra)
    )
    assert more.estimate == Estimate(Money(Decimal(12345), "USD", 2), "2026-04", "ccusage")
    assert replace(more, estimate=None) == plain


def test_the_documented_example_is_taken_by_both_ends() -> None:
    text = FORMAT.read_text()
    example = text[text.index("```json") + 7 :].partition("```")[0].encode()
    (got,) = snapshots_of(SEAT, example, NOW)
    assert (got.health, got.drift, got.errors) == (Health.OK, (), ())
    assert got.estimate is not None
    assert got.throttle is not None
    (cut,) = document.from_claude_meter(example)
    assert cut["errors"] == []
    whole = parse(example)
    assert isinstance(whole, dict)
    assert cut["usage"] == whole["usage"]
