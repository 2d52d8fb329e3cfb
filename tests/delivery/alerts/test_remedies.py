"""The remedy is one that the reader can carry out, in every alert that names one."""

import pytest

from meterbot.core.models import EventKind
from meterbot.delivery.alerts import alert
from meterbot.delivery.alerts.remedies import PlanGroup, Situation, plan_group, remedy
from tests.delivery.alerts.events import BERLIN, FACTS, OF_NO_SEAT, changed
from tests.teams import seat

BY_PLAN = {
    "max_20x": PlanGroup.INDIVIDUAL,
    "team_premium": PlanGroup.TEAM,
    "enterprise": PlanGroup.ENTERPRISE,
}


@pytest.mark.parametrize(
    ("plan", "group"), [*BY_PLAN.items(), ("our own", PlanGroup.UNKNOWN), (None, PlanGroup.UNKNOWN)]
)
def test_the_plan_says_who_can_act(plan: str | None, group: PlanGroup) -> None:
    assert plan_group(plan) is group


@pytest.mark.parametrize("situation", Situation)
def test_every_situation_has_a_remedy_for_every_plan(situation: Situation) -> None:
    assert "admin" not in remedy(situation, "pro").replace("/admin-settings", "")
    for plan in ("team", "enterprise"):
        assert "owner or admin" in remedy(situation, plan) or "is set" in remedy(situation, plan)
    assert "owner or admin" in remedy(situation, None)


@pytest.mark.parametrize("kind", sorted(set(FACTS) - OF_NO_SEAT))
@pytest.mark.parametrize("plan", BY_PLAN)
def test_no_alert_sends_a_member_of_an_organization_to_settings_they_do_not_have(
    kind: EventKind, plan: str
) -> None:
    for why in ("cap", "balance", "unknown"):
        text = alert(changed(kind, why=why), seat(plan=plan), BERLIN).text
        own, organization = "claude.ai/settings/" in text, "claude.ai/admin-settings/" in text
        assert not (own and organization)
        assert not (own if BY_PLAN[plan] is not PlanGroup.INDIVIDUAL else organization)
