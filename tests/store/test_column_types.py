"""Values as JSON in a column: the stored text is read by processes of other versions, so its form stays."""

from typing import Any

import pytest

from meterbot.core.models import Event, EventKind, Severity
from meterbot.rules.pull_requests import Merged, PullRequest
from meterbot.store.column_types import json_of, value_of
from tests.store.examples import ANA, BO, NOW


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            Event("key", EventKind.SEAT_BLOCKED, NOW, Severity.CRITICAL, "reason", "ana", ANA),
            (
                '{"key":"key","kind":"seat_blocked","at":"2026-04-30T10:00:00Z","severity":"critical",'
                '"reason":"reason","seat":"ana","counter":{"account":"account-ana","org":"org-1"},"level":null,'
                '"resolves":null,"initial":false,"muted_by":null,"facts":{}}'
            ),
        ),
        (
            Event("key", EventKind.NOTICE, NOW, Severity.INFO, "reason"),
            (
                '{"key":"key","kind":"notice","at":"2026-04-30T10:00:00Z","severity":"info","reason":"reason",'
                '"seat":null,"counter":null,"level":null,"resolves":null,"initial":false,"muted_by":null,"facts":{}}'
            ),
        ),
        (
            PullRequest(Merged("acme/app", 812, "c0ffee", "ana", NOW, NOW), ("ana", "bo"), (ANA, BO)),
            (
                '{"merged":{"repo":"acme/app","number":812,"merge":"c0ffee","author":"ana",'
                '"opened_at":"2026-04-30T10:00:00Z","merged_at":"2026-04-30T10:00:00Z"},"seats":["ana","bo"],'
                '"counters":[{"account":"account-ana","org":"org-1"},{"account":"account-bo","org":"org-1"}],'
                '"commits":null,"no_commits":null,"bill":null}'
            ),
        ),
    ],
    ids=["event of a counter", "event without one", "pull request"],
)
def test_every_version_stores_the_same_text(value: Any, text: str) -> None:
    assert json_of(type(value), value) == text
    assert value_of(type(value), text) == value
