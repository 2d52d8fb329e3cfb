"""One tick of a seat: what is asked, in which order, when it stops, and which health it ends with."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import structlog

from meterbot.core.models import Counter, Health, LastKnown, Snapshot
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.store import Latest
from tests.chat.secrets import Watch
from tests.simulator.claude_ai import challenge, session_expired
from tests.simulator.server import Reply, error, not_found
from tests.sources.served import (
    ACCOUNT,
    KEY,
    NOW,
    ORG,
    OTHER_ORG,
    read_bodies,
    serving,
)

OTHER_ACCOUNT = "22222222-2222-4222-8222-222222222222"
TICK = ["usage", "overage", "subscription"]
FIRST = [*TICK, "credits"]
"""The credits are asked for every quarter of an hour."""
TOO_MANY = error(429, "rate_limit_error", "Rate limited.", retry_after="120")
UNAUTHORIZED = error(401, "authentication_error", "Invalid authentication credentials")
FORBIDDEN = error(403, "permission_error", "Forbidden")
OVERLOADED = error(529, "overloaded_error", "Overloaded")
FETCH_FAILED = "the service is failing for now (529)"


async def test_a_healthy_seat_is_read_whole() -> None:
    async with serving() as served:
        seat = served.organization
        seat.used, seat.five_hour_resets, seat.next_charge = Decimal(1720), NOW, date(2026, 5, 14)
        snapshot = await served.read_one()
        assert served.paths() == ["account", *FIRST]
    assert snapshot.health is Health.OK
    assert (snapshot.windows_read, snapshot.extra_usage_read, snapshot.subscription_read) == (True,) * 3
    assert snapshot.extra_usage is not None
    assert str(snapshot.extra_usage.used) == "$17.20"
    assert snapshot.windows[0].resets_at == NOW
    assert snapshot.subscription is not None
    assert snapshot.subscription.next_charge_date == date(2026, 5, 14)
    assert (snapshot.account_email, snapshot.org_name) == ("dev@example.com", "Dev One")
    assert (snapshot.drift, snapshot.errors, snapshot.detail) == ((), (), None)


# Organizations.


async def test_each_organization_gets_a_snapshot_and_api_only_ones_are_left_out() -> None:
    organizations = [
        SimulatedOrganization("11111111-1111-4111-8111-111111111110", capabilities=["api"]),
        SimulatedOrganization(ORG, name="One", used=Decimal(100)),
        SimulatedOrganization(OTHER_ORG, name="Two", used=Decimal(200), capabilities=None),
    ]
    async with serving(*organizations) as served:
        snapshots = await served.read()
        asked = [request.organization for request in served.server.requests]
    assert [(s.org_uuid, s.extra_usage and str(s.extra_usage.used)) for s in snapshots] == [
        (ORG, "$1.00"),
        (OTHER_ORG, "$2.00"),
    ]
    assert asked == [None, *[ORG] * 4, *[OTHER_ORG] * 4]


async def test_an_organization_named_twice_is_read_once() -> None:
    async with serving(SimulatedOrganization(ORG), SimulatedOrganization(ORG)) as served:
        assert len(await served.read()) == 1


async def test_only_the_configured_organizations_are_read() -> None:
    async with serving(
        SimulatedOrganization(ORG), SimulatedOrganization(OTHER_ORG), wanted=(OTHER_ORG.upper(),)
    ) as served:
        snapshot = await served.read_one()
    assert snapshot.org_uuid == OTHER_ORG


async def test_a_configured_organization_that_is_not_the_accounts_is_reported() -> None:
    missing = "11111111-1111-4111-8111-111111111119"
    async with serving(wanted=(ORG, missing)) as served:
        snapshot = await served.read_one()
    assert snapshot.health is Health.OK
    assert snapshot.errors == ("organizations: 1 of those configured not among the account's",)
    async with serving(wanted=(missing,)) as served:
        snapshot = await served.read_one()
    assert (snapshot.org_uuid, snapshot.health) == (None, Health.REFUSED)


async def test_an_account_of_api_organizations_only_is_refused_not_expired() -> None:
    async with serving(SimulatedOrganization(ORG, capabilities=["api"])) as served:
        snapshot = await served.read_one()
    assert (snapshot.org_uuid, snapshot.health) == (None, Health.REFUSED)


@pytest.mark.parametrize(
    "shared",
    [
        {"capabilities": ["raven", "chat"]},
        {"rate_limit_tier": "claude_team"},
        {"rate_limit_tier": "default_raven"},
        {"rate_limit_tier": "claude_enterprise"},
        {"seat_tier": "team_tier_1"},
    ],
)
async def test_a_shared_organization_is_asked_for_the_members_row(shared: dict[str, object]) -> None:
    organization = SimulatedOrganization(ORG)
    for name, value in shared.items():
        setattr(organization, name, value)
    async with serving(organization) as served:
        await served.read()
        (row,) = [r for r in served.server.requests if r.route == "overage"]
    assert row.path.endswith(f"?account_uuid={served.account.uuid}")


# The account.


async def test_the_account_is_asked_for_once_an_hour() -> None:
    async with serving() as served:
        for minutes in (0, 1, 59, 60, 61):
            await served.read(NOW + timedelta(minutes=minutes))
        assert served.paths() == ["account", *FIRST, *TICK, *FIRST, "account", *TICK, *TICK]


async def test_a_switch_of_the_account_is_noticed_and_reported_under_the_new_one() -> None:
    async with serving() as served:
        await served.read()
        served.account.uuid = "22222222-2222-4222-8222-222222222222"
        snapshot = await served.read_one(NOW + timedelta(hours=1))
        again = await served.read_one(NOW + timedelta(hours=2))
    assert snapshot.account_uuid == "22222222-2222-4222-8222-222222222222"
    assert snapshot.detail is not None
    assert "another account" in snapshot.detail
    assert "another account" in again.errors[0]


async def test_memberships_of_no_known_form_keep_the_organizations_known_before() -> None:
    async with serving() as served:
        await served.read()
        served.server.fail("account", Reply(body={**served.account.body(), "memberships": None}))
        snapshot = await served.read_one(NOW + timedelta(hours=1))
    assert (snapshot.org_uuid, snapshot.health) == (ORG, Health.OK)
    assert snapshot.drift == ("account.memberships: expected a list, got null",)


async def test_a_failing_account_does_not_keep_the_numbers_from_being_read() -> None:
    async with serving() as served:
        await served.read()
        served.server.fail("account", OVERLOADED)
        snapshot = await served.read_one(NOW + timedelta(hours=1))
    assert snapshot.health is Health.OK
    assert snapshot.errors == (f"account: {FETCH_FAILED}; the last known one is used",)


@pytest.mark.parametrize(
    ("reply", "health"),
    [
        (session_expired(), Health.SESSION_EXPIRED),
        (UNAUTHORIZED, Health.SESSION_EXPIRED),
        (challenge(), Health.CHALLENGED),
        (TOO_MANY, Health.RATE_LIMITED),
        (OVERLOADED, Health.UNREACHABLE),
        (Reply(drop=True), Health.UNREACHABLE),
        (error(403, "permission_error", "We are unable to serve your request"), Health.REFUSED),
        (Reply(302, headers={"location": "/app-unavailable-in-region"}), Health.REFUSED),
        (Reply(body=[]), Health.DRIFTED),
        (Reply(body={"uuid": "x"}), Health.DRIFTED),
    ],
)
async def test_an_account_that_cannot_be_read_explains_itself(reply: Reply, health: Health) -> None:
    async with serving() as served:
        served.server.fail_always("account", reply)
        snapshot = await served.read_one()
        assert set(served.paths()) == {"account"}
    assert (snapshot.org_uuid, snapshot.health) == (None, health)
    assert snapshot.detail
    assert snapshot.errors
    assert not any([snapshot.windows_read, snapshot.extra_usage_read, snapshot.subscription_read])


async def test_a_key_just_issued_is_tried_again_before_it_is_called_dead() -> None:
    async with serving() as served:
        served.server.fail("account", UNAUTHORIZED, UNAUTHORIZED)
        snapshot = await served.read_one()
        assert snapshot.health is Health.OK
        assert served.pauses == [1.5, 3.0]


async def test_a_key_refused_for_good_ends_as_expired_after_about_ten_seconds() -> None:
    async with serving() as served:
        served.server.fail_always("account", UNAUTHORIZED)
        assert (await served.read_one()).health is Health.SESSION_EXPIRED
        assert 8 <= sum(served.pauses) <= 12
        served.pauses.clear()
        assert (await served.read_one(NOW + timedelta(minutes=1))).health is Health.SESSION_EXPIRED
        assert served.pauses == []


async def test_an_established_session_that_ends_is_expired_at_once() -> None:
    async with serving() as served:
        await served.read()
        served.account.signed_in = False
        snapshot = await served.read_one(NOW + timedelta(minutes=1))
        assert (snapshot.org_uuid, snapshot.health) == (ORG, Health.SESSION_EXPIRED)
        snapshot = await served.read_one(NOW + timedelta(minutes=2))
        assert (snapshot.org_uuid, snapshot.health) == (None, Health.SESSION_EXPIRED)
        assert served.pauses == []
        assert served.paths() == ["account", *FIRST, "usage", "account"]
        served.account.signed_in = True
        assert (await served.read_one(NOW + timedelta(minutes=3))).health is Health.OK


async def test_a_key_no_cookie_can_hold_is_refused_without_a_request() -> None:
    async with serving(key="sk-ant-sid01-a; b") as served:
        snapshot = await served.read_one()
        assert snapshot.health is Health.REFUSED
        assert not served.server.requests


# Usage.


async def test_401_on_usage_asks_the_account_whether_the_session_has_ended() -> None:
    async with serving() as served:
        await served.read()
        served.server.fail_always("usage", UNAUTHORIZED)
        served.server.fail("account", session_expired())
        snapshot = await served.read_one(NOW + timedelta(minutes=1))
        assert snapshot.health is Health.SESSION_EXPIRED
        served.server.heal()
        assert (await served.read_one(NOW + timedelta(minutes=2))).health is Health.OK


async def test_an_organization_this_session_cannot_read_is_dropped_and_costs_no_other() -> None:
    async with serving(SimulatedOrganization(ORG), SimulatedOrganization(OTHER_ORG)) as served:
        served.server.fail("usage", UNAUTHORIZED)
        snapshot = await served.read_one()
        assert (snapshot.org_uuid, snapshot.health) == (OTHER_ORG, Health.OK)
        assert snapshot.errors == (f"organization {ORG}: not readable with this session, left out",)
        await served.read(NOW + timedelta(minutes=1))
        assert served.paths() == ["account", "usage", *FIRST, *TICK]
        assert len(await served.read(NOW + timedelta(hours=1))) == 2


async def test_an_organization_that_was_read_before_is_reported_when_it_refuses_and_asked_again() -> None:
    async with serving(SimulatedOrganization(ORG), SimulatedOrganization(OTHER_ORG)) as served:
        await served.read()
        served.server.fail("usage", UNAUTHORIZED)
        refused, healthy = await served.read(NOW + timedelta(minutes=1))
        assert (refused.org_uuid, refused.health) == (ORG, Health.REFUSED)
        assert refused.detail == "access to the organization is denied (401), although the account names it"
        assert not any([refused.windows_read, refused.extra_usage_read, refused.subscription_read])
        assert (healthy.org_uuid, healthy.health, healthy.errors) == (OTHER_ORG, Health.OK, ())
        again = await served.read(NOW + timedelta(minutes=2))
    assert [one.health for one in again] == [Health.OK, Health.OK]


async def test_the_only_organization_that_was_read_before_is_reported_as_refused() -> None:
    async with serving() as served:
        await served.read()
        served.server.fail("usage", UNAUTHORIZED)
        refused = await served.read_one(NOW + timedelta(minutes=1))
    assert (refused.org_uuid, refused.health) == (ORG, Health.REFUSED)


async def test_what_an_earlier_process_read_is_not_left_out() -> None:
    snapshot = Snapshot("ana", "claude_ai", NOW, Health.OK, account_uuid=ACCOUNT, org_uuid=ORG)
    before = Latest("ana", Counter(ACCOUNT, ORG), LastKnown(snapshot, windows_at=NOW))
    async with serving(
        SimulatedOrganization(ORG), SimulatedOrganization(OTHER_ORG), known=[before]
    ) as served:
        served.server.fail("usage", UNAUTHORIZED)
        refused, healthy = await served.read()
    assert (refused.org_uuid, refused.health) == (ORG, Health.REFUSED)
    assert healthy.health is Health.OK


@pytest.mark.parametrize("totals", [(True, None), (None, True), (True, False)])
async def test_one_counter_that_knows_of_a_total_is_enough_for_its_organization(
    totals: tuple[bool | None, ...],
) -> None:
    """The seat's account has changed: each has a counter, and only one of them may show whose amounts these are."""
    known = []
    for account, total in zip((ACCOUNT, OTHER_ACCOUNT), totals, strict=True):
        snapshot = Snapshot("ana", "claude_ai", NOW, Health.OK, org_uuid=ORG, usage_is_total=total)
        known.append(Latest("ana", Counter(account, ORG), LastKnown(snapshot)))
    everybody = {"is_enabled": True, "used_credits": 100_100, "currency": "USD", "decimal_places": 2}
    async with serving(SimulatedOrganization(ORG, capabilities=["raven", "chat"]), known=known) as served:
        served.server.fail_always("usage", Reply(body={"extra_usage": everybody}))
        served.server.fail_always("overage", OVERLOADED)
        snapshot = await served.read_one()
    assert (snapshot.extra_usage, snapshot.extra_usage_read) == (None, False)


async def test_an_organization_that_was_left_is_not_reported_although_it_was_read_before() -> None:
    async with serving(SimulatedOrganization(ORG), SimulatedOrganization(OTHER_ORG)) as served:
        await served.read()
        del served.account.organizations[0]
        served.server.fail("usage", UNAUTHORIZED)
        (snapshot,) = await served.read(NOW + timedelta(minutes=1))
        served.server.unexpected.clear()  # the organization was the account's when it was asked for
    assert (snapshot.org_uuid, snapshot.health) == (OTHER_ORG, Health.OK)


async def test_404_on_usage_looks_once_whether_the_account_still_has_the_organization() -> None:
    async with serving(SimulatedOrganization(ORG), SimulatedOrganization(OTHER_ORG)) as served:
        await served.read()
        del served.account.organizations[0]
        served.server.fail("usage", not_found())
        (snapshot,) = await served.read(NOW + timedelta(minutes=1))
        assert served.paths()[9:] == ["usage", "account", *TICK]
        served.server.unexpected.clear()  # the organization was the account's when it was asked for
    assert (snapshot.org_uuid, snapshot.health) == (OTHER_ORG, Health.OK)


@pytest.mark.parametrize(
    ("reply", "health"),
    [
        (session_expired(), Health.SESSION_EXPIRED),
        (challenge(), Health.CHALLENGED),
        (TOO_MANY, Health.RATE_LIMITED),
        (Reply(302, headers={"location": "/login?from=x"}), Health.SESSION_EXPIRED),
        (Reply(403, "<html>403</html>", {"content-type": "text/html"}), Health.UNREACHABLE),
    ],
)
async def test_trouble_of_the_whole_session_ends_the_tick_for_every_organization(
    reply: Reply, health: Health
) -> None:
    async with serving(SimulatedOrganization(ORG), SimulatedOrganization(OTHER_ORG)) as served:
        served.server.fail("usage", reply)
        snapshots = await served.read()
        assert served.paths() == ["account", "usage"]
    assert [(s.org_uuid, s.health) for s in snapshots] == [(ORG, health), (OTHER_ORG, health)]


@pytest.mark.parametrize("reply", [OVERLOADED, FORBIDDEN, Reply(body="<html>"), Reply(body=b"\xff{}")])
async def test_trouble_of_one_organization_costs_no_other(reply: Reply) -> None:
    async with serving(SimulatedOrganization(ORG), SimulatedOrganization(OTHER_ORG)) as served:
        served.server.fail("usage", reply)
        first, second = await served.read()
    assert first.health is not Health.OK
    assert first.errors
    assert second.health is Health.OK


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("0", None), (None, None), ("-5", None), ("9" * 30, 21_600), ("soon", None)],
)
async def test_retry_after_is_the_floor_of_the_next_read(header: str | None, seconds: int | None) -> None:
    async with serving() as served:
        headers = {} if header is None else {"Retry-After": header}
        served.server.fail("usage", Reply(429, {"error": {"type": "rate_limit_error"}}, headers))
        snapshot = await served.read_one()
    assert snapshot.health is Health.RATE_LIMITED
    assert snapshot.retry_at == (None if seconds is None else NOW + timedelta(seconds=seconds))


async def test_unknown_keys_of_usage_are_logged_once_and_no_drift() -> None:
    async with serving() as served:
        body = {**served.organization.usage(), "cobalt_heron": {"x": [1]}, "a b\nc": 1, "x" * 500: 1}
        served.server.fail_always("usage", Reply(body=body))
        with structlog.testing.capture_logs() as logs:
            snapshot = await served.read_one()
            await served.read()
    assert (snapshot.health, snapshot.drift) == (Health.OK, ())
    assert [entry["keys"] for entry in logs] == [["cobalt_heron"]]


# Optional answers.


@pytest.mark.parametrize("reply", [OVERLOADED, FORBIDDEN, UNAUTHORIZED, Reply(drop=True), Reply(body="{")])
async def test_a_failing_overage_row_is_an_error_and_says_nothing_of_a_block(reply: Reply) -> None:
    async with serving() as served:
        served.organization.used = Decimal(1720)
        served.server.fail_always("overage", reply)
        snapshot = await served.read_one()
        assert served.paths()[-1] == "credits"
    assert snapshot.health is Health.OK
    assert snapshot.errors[0].startswith("overage: ")
    assert snapshot.extra_usage_read
    assert snapshot.extra_usage is not None
    assert not snapshot.extra_usage.why_known
    assert str(snapshot.extra_usage.used) == "$17.20"


@pytest.mark.parametrize("reply", [OVERLOADED, FORBIDDEN, UNAUTHORIZED, Reply(drop=True), Reply(body="{")])
async def test_a_failing_subscription_is_an_error_and_not_the_word_that_there_is_none(reply: Reply) -> None:
    async with serving() as served:
        served.server.fail_always("subscription", reply)
        snapshot = await served.read_one()
    assert (snapshot.health, snapshot.subscription, snapshot.subscription_read) == (Health.OK, None, False)
    assert snapshot.errors[0].startswith("subscription: ")


@pytest.mark.parametrize("route", ["overage", "subscription", "credits"])
@pytest.mark.parametrize(
    ("reply", "health"),
    [
        (challenge(), Health.CHALLENGED),
        (TOO_MANY, Health.RATE_LIMITED),
        (session_expired(), Health.SESSION_EXPIRED),
    ],
)
async def test_trouble_in_mid_tick_keeps_what_was_read_and_asks_nothing_more(
    route: str, reply: Reply, health: Health
) -> None:
    async with serving(SimulatedOrganization(ORG), SimulatedOrganization(OTHER_ORG)) as served:
        served.server.fail(route, reply)
        first, second = await served.read()
        assert served.paths() == ["account", *FIRST[: FIRST.index(route) + 1]]
    assert (first.health, second.health) == (health, health)
    assert first.windows_read
    assert first.extra_usage_read
    assert not second.windows_read
    assert first.retry_at == (NOW + timedelta(seconds=120) if health is Health.RATE_LIMITED else None)


@pytest.mark.parametrize("body", [None, {}])
async def test_null_is_no_row_but_an_empty_object_is_no_answer(body: object) -> None:
    snapshot = await read_bodies(overage=body)
    assert snapshot.extra_usage is None
    assert snapshot.extra_usage_read is (body is None)


# The session.


async def test_a_renewed_session_is_used_from_the_next_request_on() -> None:
    async with serving() as served:
        second, third = (KEY.replace("planted", name) for name in ("second", "third"))
        served.account.rotate_to.extend([second, third])
        await served.read()
        sent = [request.session_keys for request in served.server.requests]
    assert sent == [(KEY,), (second,), *[(third,)] * 3]
    assert served.source.session.key == third


@pytest.mark.parametrize(
    ("body", "encoding", "cut"),
    [(b"no gzip", "gzip", False), (b"[" + b" " * 999, "identity", True)],
    ids=["broken gzip", "breaks off"],
)
async def test_a_renewed_session_is_kept_although_its_answer_cannot_be_read(
    body: bytes, encoding: str, *, cut: bool
) -> None:
    renewed = KEY.replace("planted", "renewed")
    async with serving() as served:
        headers = {"Set-Cookie": f"sessionKey={renewed}; Path=/", "Content-Encoding": encoding}
        served.server.fail("account", Reply(body=body, headers=headers, cut=cut))
        assert (await served.read_one()).health is not Health.OK
    assert served.source.session.key == renewed


async def test_a_cookie_that_is_no_key_does_not_cost_the_seat_its_session() -> None:
    async with serving() as served:
        headers = {"Set-Cookie": "sessionKey=from-a-proxy; Path=/"}
        served.server.fail("account", Reply(body=served.account.body(), headers=headers))
        assert (await served.read_one()).health is Health.OK
    assert served.source.session.key == KEY


@pytest.mark.parametrize(
    "reply",
    [
        session_expired(),
        Reply(403, {"error": {"message": KEY, "type": KEY}, KEY: KEY}),
        Reply(302, headers={"location": f"/login?{KEY}"}),
        Reply(429, KEY, {"retry-after": KEY}),
        Reply(503, f"<html>{KEY}"),
        Reply(body={KEY: KEY, "seven_day": KEY, "five_hour": {"utilization": KEY, "resets_at": KEY}}),
        Reply(body={"extra_usage": {"disabled_reason": KEY, "currency": KEY, "used_credits": KEY}}),
        Reply(body={"limits": [{"kind": "weekly_scoped", "percent": 1, "scope": KEY}]}),
        Reply(body=f'{{"{KEY}'),
        Reply(body=b"{}", headers={"Content-Encoding": KEY}),
        Reply(drop=True),
        Reply(body=b"x" * 100, cut=True),
    ],
    ids=range(12),
)
@pytest.mark.parametrize("route", ["account", *FIRST])
async def test_the_session_shows_nowhere_whatever_comes_back(
    route: str, reply: Reply, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch(caplog, capsys)
    async with serving() as served:
        served.server.fail_always(route, reply)
        snapshots = await served.read()
        watch.assert_hidden(KEY, *snapshots, served.source, served.transport)
    assert snapshots


async def test_a_session_of_unusual_form_is_hidden_as_well(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch(caplog, capsys)
    first, odd = "an-odd-session", "an-odd-session-without-the-usual-form"
    async with serving(key=first) as served:
        served.account.session_key = first
        served.account.rotate_to.append(odd)
        served.server.fail("overage", Reply(body={"is_enabled": True, "disabled_reason": f"for {odd}"}))
        snapshot = await served.read_one()
        watch.assert_hidden(odd, snapshot, served.source)
    assert served.source.session.key == odd
    assert snapshot.extra_usage is not None
    assert snapshot.extra_usage.reason == "for [hidden]"


async def test_time_is_only_what_it_is_told() -> None:
    moment = datetime(2031, 2, 3, 4, 5, tzinfo=UTC)
    async with serving() as served:
        assert (await served.read_one(moment)).fetched_at == moment
