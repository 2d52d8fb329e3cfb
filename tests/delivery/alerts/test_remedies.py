"""The remedy is one that the reader can carry out, in every alert that names one."""

import pytest

from meterbot.core.models import EventKind
from meterbot.delivery.alerts.message import alert
from meterbot.delivery.alerts.remedies import Remedy
from tests.delivery.alerts.events import BERLIN, FACTS, OF_NO_SEAT, changed
from tests.teams import seat

OWN = {"max_20x": True, "team_premium": False, "enterprise": False}
"""Whether it is a person's own plan."""


@pytest.mark.parametrize("remedy", Remedy)
def test_every_remedy_is_for_every_plan(remedy: Remedy) -> None:
    assert "admin" not in remedy.on("pro").replace("/admin-settings", "")
    for plan in ("team", "enterprise"):
        assert "owner or admin" in remedy.on(plan) or "is set" in remedy.on(plan)
    for unknown in ("our own", None):
        assert "owner or admin" in remedy.on(unknown)


@pytest.mark.parametrize("kind", sorted(set(FACTS) - OF_NO_SEAT))
@pytest.mark.parametrize("plan", OWN)
def test_no_alert_sends_a_member_of_an_organization_to_settings_they_do_not_have(
    kind: EventKind, plan: str
) -> None:
    for why in ("cap", "balance", "unknown"):
        text = alert(changed(kind, why=why), seat(plan=plan), BERLIN).text
        own, organization = "claude.ai/settings/" in text, "claude.ai/admin-settings/" in text
        assert not (own and organization)
        assert not (organization if OWN[plan] else own)
