"""The bot reads from the agent's JSON the same numbers as if it had read them itself."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from meterbot.agent import document
from meterbot.cli.claude_meter import document_of
from meterbot.core.models import Estimate, ExtraUsage, Health, LastKnown, Seat
from meterbot.core.money import Money
from meterbot.ingest.pushes import spent_text
from meterbot.sources.exact_json import parse
from meterbot.sources.extra_usage import metering_of
from meterbot.sources.fields import DriftNotes
from meterbot.sources.pushed import snapshots_of
from meterbot.sources.responses import Missing
from meterbot.sources.windows import windows_of
from tests.agent.rig import ACCOUNT, NOW, ORG
from tests.rules.builders import HOUR, extra, snapshot
from tests.sources.bodies import USAGE, sent

SEAT = Seat("ana", "push")
FORMAT = Path(__file__).parents[2] / "docs/push-format.md"


def test_meterbot_reads_the_numbers_that_were_there() -> None:
    one = document.snapshot(USAGE, ORG, ACCOUNT, NOW.timestamp())
    (got,) = snapshots_of(SEAT, document.render(one), NOW)
    usage = sent(USAGE)
    assert got.windows == windows_of(usage, DriftNotes())
    assert got.extra_usage == metering_of(usage, Missing.FAILED, DriftNotes()).extra
    assert (got.org_uuid, got.account_uuid, got.fetched_at, got.health) == (ORG, ACCOUNT, NOW, Health.OK)
    assert got.drift == got.errors == ()


def test_meterbot_reads_an_estimate_that_a_sender_adds() -> None:
    one = document.snapshot(USAGE, ORG, ACCOUNT, NOW.timestamp())
    estimate = {
        "source": "ccusage",
        "period": "2026-04",
        "amount_minor": 12345,
        "currency": "USD",
        "exponent": 2,
    }
    plain, more = (
        snapshots_of(SEAT, json.dumps({**one, **members}).encode(), NOW)[0]
        for members in ({}, {"list_price_estimate": estimate})
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
    cut = json.loads(document_of(example))
    assert cut["errors"] == []
    whole = parse(example)
    assert isinstance(whole, dict)
    assert cut["usage"] == json.loads(example)["usage"]


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        (extra("4.20", "50"), "$4.20 of $50.00"),
        (extra("4.20", None), "$4.20 (no cap)"),
        (extra("4.20", None, cap_known=False), "$4.20"),
        (extra(None), "extra usage unknown"),
        (None, "extra usage is not set up"),
    ],
)
def test_what_a_push_has_shown_is_a_phrase_that_can_end_a_sentence(
    amounts: ExtraUsage | None, expected: str
) -> None:
    at = snapshot().fetched_at
    assert spent_text(LastKnown(snapshot(metered=amounts), extra_usage_at=at)) == expected
    assert spent_text(LastKnown(snapshot(metered=amounts), extra_usage_at=at - HOUR)) == "extra usage unknown"
    assert spent_text(None) == "extra usage unknown"
