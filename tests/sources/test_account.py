from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.sources.account import AccountInfo, Organization, account_of, is_shared, tier_of
from meterbot.sources.fields import DriftNotes
from tests.sources.bodies import ACCOUNT, json_values, places, sent, with_value

ORG = "11111111-1111-4111-8111-111111111111"
OTHER = "11111111-1111-4111-8111-111111111112"


def parsed(body: object) -> tuple[AccountInfo, list[str]]:
    notes = DriftNotes()
    return account_of(sent(body), notes), notes.drift


def member(uuid: object, **fields: object) -> dict[str, object]:
    return {"uuid": OTHER, "organization": {"uuid": uuid, "name": "A", "capabilities": ["chat"], **fields}}


def organizations(*memberships: object) -> tuple[tuple[Organization, ...], list[str]]:
    account, drift = parsed({"uuid": OTHER, "email_address": "a@b.c", "memberships": list(memberships)})
    return account.organizations or (), drift


def test_the_account_and_its_organizations() -> None:
    assert parsed(ACCOUNT) == (
        AccountInfo(
            uuid="22222222-2222-4222-8222-222222222221",
            email="dev@example.com",
            organizations=(Organization(ORG, "Dev One", team=False, api_only=False, tier="max_5x"),),
        ),
        [],
    )


@pytest.mark.parametrize(
    ("capabilities", "api_only"),
    [(["api"], True), (["api", "chat"], False), ([], False), (None, False), (["chat"], False)],
)
def test_only_exactly_api_is_api_only(capabilities: object, *, api_only: bool) -> None:
    found, _ = organizations(member(ORG, capabilities=capabilities))
    assert found[0].api_only is api_only


@pytest.mark.parametrize(
    "uuid",
    [
        "../../v1/organizations/me?x=",
        ORG + "\n",
        ORG + "/",
        f" {ORG}",
        "",
        None,
        5,
        [ORG],
        ORG.replace("-", ""),
    ],
)
def test_an_id_that_is_no_uuid_never_becomes_an_organization(uuid: object) -> None:
    found, drift = organizations(member(uuid), member(OTHER))
    assert [o.uuid for o in found] == [OTHER]
    assert all(str(uuid) not in note for note in drift if uuid)


def test_the_memberships_own_id_is_never_taken_for_the_organizations() -> None:
    found, drift = organizations({"uuid": ORG, "organization": {"name": "A"}})
    assert found == ()
    assert drift[0] == "account.memberships[0].organization.uuid: expected a UUID, got nothing"


@pytest.mark.parametrize("membership", [None, 5, {}, {"organization": None}, member("no uuid")], ids=repr)
def test_memberships_without_one_that_can_be_read_say_nothing(membership: object) -> None:
    account, drift = parsed({"uuid": ACCOUNT["uuid"], "memberships": [membership]})
    assert account.organizations is None
    assert drift[-1] == "account.memberships: expected organizations, got none that can be read"


def test_one_organization_in_two_spellings_is_one() -> None:
    found, _ = organizations(member(ORG.upper()), member(ORG))
    assert [o.uuid for o in found] == [ORG]


def test_a_name_shows_no_address_of_a_person() -> None:
    found, _ = organizations(member(ORG, name="dev@example.com's Organization"))
    assert found[0].name == "[e-mail]'s Organization"


def test_a_flood_of_organizations_is_cut_with_a_note() -> None:
    flood = [member(f"11111111-1111-4111-8111-{number:012d}") for number in range(500)]
    found, drift = organizations(*flood)
    assert len(found) == 50
    assert drift == ["account.memberships: more than 50, the rest is left out"]


def test_what_a_body_does_not_say_is_taken_from_before() -> None:
    before, _ = parsed(ACCOUNT)
    now, _ = parsed({"uuid": 5, "email_address": None})
    assert now.completed_by(before) == before
    empty, _ = parsed({**ACCOUNT, "memberships": []})
    assert empty.completed_by(before).organizations == ()


@given(st.sampled_from([*places(ACCOUNT)]), json_values)
def test_one_strange_value_costs_no_more_than_its_place(path: tuple[str | int, ...], value: Any) -> None:
    account, drift = parsed(with_value(ACCOUNT, path, value))
    whole, _ = parsed(ACCOUNT)
    if path[0] != "uuid":
        assert account.uuid == whole.uuid
    if path[0] != "memberships":
        assert account.organizations == whole.organizations
    assert all(note.isprintable() and len(note) < 200 for note in drift)


@given(json_values)
def test_no_body_raises(body: Any) -> None:
    account, drift = parsed(body)
    assert account.organizations is None
    assert drift


# The words of plans.


@pytest.mark.parametrize(
    ("kinds", "tier", "seat", "plan"),
    [
        (["claude_max", "chat"], "default_claude_max_5x", None, "max_5x"),
        (["claude_max"], "default_claude_max_20x", None, "max_20x"),
        ([], "default_claude_max_20x", None, "max_20x"),
        (["claude_max"], "default_claude_ai", None, "max"),
        (["claude_pro", "chat"], "default_claude_ai", None, "pro"),
        ([], "claude_pro", None, "pro"),
        (["chat"], "default_claude_ai", None, "free"),
        (["chat"], "lunar_eclipse", None, None),
        ([], "default_claude_ai", None, None),
        ([], None, None, None),
        (["claude_team"], "default_claude_max_5x", "team_tier_1", "team_premium"),
        (["claude_team"], "default_raven", "team_standard", "team"),
        (["claude_team"], None, None, "team"),
        (["raven", "chat"], "default_raven", None, None),
        (["raven", "chat"], "default_raven", "unassigned", None),
        (["raven"], "default_raven", "enterprise_standard", "enterprise"),
        (["claude_enterprise"], None, None, "enterprise"),
    ],
)
def test_the_plan_is_what_the_words_say(
    kinds: list[str], tier: str | None, seat: str | None, plan: str | None
) -> None:
    assert tier_of(kinds, tier, seat) == plan


_words = st.sampled_from(
    ["claude_max", "claude_pro", "chat", "raven", "claude_team", "claude_enterprise", "x"]
)


@given(st.lists(_words), st.none() | st.text(), st.none() | st.text())
def test_a_shared_organization_is_never_taken_for_a_personal_plan(
    kinds: list[str], tier: str | None, seat: str | None
) -> None:
    shared = {"team", "team_premium", "enterprise", None}
    assert (tier_of(kinds, tier, seat) in shared) or not is_shared(kinds, tier, seat)
