"""A person's Home tab on Slack: what it shows, how soon, and what can be changed there."""

import asyncio
import json
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat import Answer, HomePage, Question
from meterbot.chat.slack.views import home_view
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.commands.team_report import TeamReport
from meterbot.core.messages import Action, Chart, ChartKind, Field, Message, Section, Series
from meterbot.core.operators import Operators, Rows
from meterbot.delivery.redaction import Redaction
from meterbot.rules.settings import RuleSettings
from meterbot.store import Batch, Latest, Store, batches
from tests.chat.slack.rig import Rig, rig
from tests.simulator.slack_faults import refused
from tests.simulator.slack_judge import view_verdict
from tests.teams import (
    NOW,
    extra,
    reading,
    seat,
    snapshot,
    state,
)

pytestmark = pytest.mark.databases("sqlite")
"""What is said; the queries behind it are tested in tests/store on both databases."""

NAMES = ["ana", "bo", *(f"seat-{number}" for number in range(18))]
SEATS = {name: seat(name) for name in NAMES}
UTC = ZoneInfo("UTC")
TEXTS = st.text(max_size=12) | st.sampled_from(["x" * 160, "y " * 700, "z\n" * 1600, "<&>*_`" * 600])


async def filled(store: Store) -> Store:
    """Twenty seats, read just now."""
    read = [reading(snapshot(name, extra_usage=extra("12.50"))) for name in NAMES]
    batch = Batch(
        [Latest(each.seat, each.counter, each.known) for each in read],
        sources=[*map(state, NAMES)],
    )
    await store.run(lambda c: batches.write(c, batch))
    return store


def commands(store: Store, rows: Rows = "named", operators: Operators | None = None) -> Commands:
    return Commands(
        CommandContext(
            store,
            SEATS,
            now=lambda: NOW,
            tz=UTC,
            version="1",
            redaction=Redaction(rows, operators or Operators()),
            thresholds=RuleSettings().thresholds,
        )
    )


async def at_home(r: Rig, user: str = "UANA", tab: str = "") -> str:
    """Ana's Home tab, as Slack shows it."""
    drawn = len(r.slack.called("views.publish"))
    if tab:
        await r.slack.press_at_home(f"home:{tab}", user)
    else:
        await r.slack.open_home(user)
    await r.slack.until(lambda: len(r.slack.called("views.publish")) > drawn, 30.0)
    return json.dumps(r.slack.homes[user])


async def test_it_shows_ones_own_seat_with_its_history_and_settings(store: Store) -> None:
    answerer = commands(await filled(store))
    async with rig(start=False) as r:
        await r.chat.start(answerer.answer, answerer.form)
        shown = await at_home(r)
        for part in ("$12.50 / $50.00 (25%)", "Your settings", "Nothing is muted", "ana, the last 30 days"):
            assert part in shown
        assert "Claude spend, April 2026" not in shown


async def test_the_team_is_on_a_tab_of_its_own(store: Store) -> None:
    answerer = commands(await filled(store))
    async with rig(start=False) as r:
        await r.chat.start(answerer.answer, answerer.form)
        await at_home(r)
        shown = await at_home(r, tab="team")
        assert "Claude spend, April 2026" in shown
        assert "seat-17" in shown
        assert "The team's extra usage, the last 30 days" in shown
        assert "Your settings" not in shown
        assert "Your settings" in await at_home(r, tab="mine")


@pytest.mark.parametrize(
    ("rows", "operator", "there"),
    [("named", False, True), ("anonymous", False, True), ("self", False, False), ("self", True, True)],
)
async def test_the_team_tab_is_for_those_who_may_see_it(
    store: Store,
    rows: Rows,
    operator: bool,  # noqa: FBT001
    there: bool,  # noqa: FBT001
) -> None:
    answerer = commands(
        await filled(store), rows, Operators({"slack": frozenset({"UANA"} if operator else ())})
    )
    for words in (("home",), ("home", "team")):
        page = (await answerer.answer(Question(words, "slack", "UANA"))).page
        assert page is not None
        assert ("team" in page.tabs) is there
        said = " ".join(str(message) for message in page.messages)
        assert ("seat-17" in said) is (there and rows != "anonymous" and words == ("home", "team"))


async def test_who_has_no_seat_begins_with_the_team(store: Store) -> None:
    page = (await commands(await filled(store)).answer(Question(("home",), "slack", "ULEAD"))).page
    assert page is not None
    assert page.tab == "team"


async def test_a_look_reads_the_seats_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    answerer, read = commands(await filled(store)), 0
    report = answerer.context.report

    async def counted(now: datetime) -> TeamReport:
        nonlocal read
        read += 1
        return await report(now)

    monkeypatch.setattr(answerer.context, "report", counted)
    async with rig(start=False) as r:
        await r.chat.start(answerer.answer, answerer.form)
        await at_home(r)
    assert read == 1


async def test_levels_are_changed_there_and_the_tab_shows_it(store: Store) -> None:
    answerer = commands(await filled(store))
    async with rig(start=False) as r:
        await r.chat.start(answerer.answer, answerer.form)
        assert "Thresholds: 50%, 80%, 95% (as configured)" in await at_home(r)
        pressed = await r.slack.press_at_home("settings:thresholds:ana", "UANA")
        modal = await r.slack.modal(pressed)
        before = r.slack.homes["UANA"]
        await r.slack.submit(modal, "much")
        assert "is not a level" in json.dumps(modal.errors)
        await r.slack.submit(modal, "30%")
        await r.slack.until(lambda: "Thresholds: 30%" in json.dumps(r.slack.homes["UANA"]))

        assert r.slack.homes["UANA"] != before
        assert "Saved for ana" in json.dumps(modal.view)


async def test_quiet_hours_are_changed_there(store: Store) -> None:
    answerer = commands(await filled(store))
    async with rig(start=False) as r:
        await r.chat.start(answerer.answer, answerer.form)
        await at_home(r)
        modal = await r.slack.modal(await r.slack.press_at_home("settings:quiet:ana", "UANA"))
        await r.slack.submit(modal, "22:00-07:00 Europe/Berlin")
        await r.slack.until(lambda: "22:00-07:00 (Europe/Berlin)" in json.dumps(r.slack.homes["UANA"]))


async def test_what_a_button_there_answers_is_a_window_and_the_tab_is_drawn_again() -> None:
    async with rig(start=False) as r:
        await r.chat.start(paged)
        await at_home(r)
        drawn = len(r.slack.called("views.publish"))
        modal = await r.slack.modal(await r.slack.press_at_home("history", "UANA"))
        await r.slack.until(lambda: len(r.slack.called("views.publish")) > drawn)

        assert "history" in json.dumps(modal.view)
        assert not [value for value in values(r.slack.homes["UANA"]) if value.startswith("share:")]


async def test_looking_again_opens_nothing() -> None:
    async with rig(start=False) as r:
        await r.chat.start(paged)
        await at_home(r)
        drawn = len(r.slack.called("views.publish"))
        pressed = await r.slack.press_at_home("home:mine", "UANA")
        await r.slack.until(lambda: len(r.slack.called("views.publish")) > drawn)

        assert pressed.modal is None


async def test_the_tab_of_messages_is_not_ours_to_draw() -> None:
    async with rig() as r:
        await r.slack.open_home(tab="messages")
        await r.slack.open_home("UANA")
        await r.slack.until(lambda: r.slack.homes)

        assert r.slack.homes.keys() == {"UANA"}


async def test_a_tab_that_slack_refuses_disturbs_nothing() -> None:
    async with rig() as r:
        r.slack.fail("views.publish", refused("not_enabled"))
        await r.slack.open_home("UANA")
        await r.slack.until(lambda: r.slack.called("views.publish"))
        await r.slack.open_home("UBO")
        await r.slack.until(lambda: "UBO" in r.slack.homes)


async def paged(question: Question) -> Answer:
    """Every answer is a page of one message with a chart."""
    labels = ("Apr 1", "Apr 2")
    chart = Chart("Spend", ChartKind.BAR, labels, (Series("ana", (Decimal(1), Decimal(2))),), "USD")
    title = "/".join(question.words) or "team"
    message = Message(title, "said", actions=(Action("share:me", "Share"),), charts=(chart,))
    return Answer(message, page=HomePage((message,), "mine", ("mine",)))


def kinds(view: dict[str, Any]) -> set[str]:
    return {block["type"] for block in view["blocks"]}


async def test_charts_are_native() -> None:
    async with rig(start=False) as r:
        await r.chat.start(paged)
        await at_home(r)
        assert "data_visualization" in kinds(r.slack.homes["UANA"])


async def test_where_slack_refuses_the_native_blocks_the_numbers_come_as_text() -> None:
    async with rig(start=False) as r:
        await r.chat.start(paged)
        r.slack.fail("views.publish", refused("invalid_arguments"))
        await r.slack.open_home("UANA")
        await r.slack.until(lambda: r.slack.homes)
        assert "data_visualization" not in kinds(r.slack.homes["UANA"])
        assert "Apr 2" in json.dumps(r.slack.homes["UANA"])


async def test_a_slow_drawing_never_replaces_a_newer_one() -> None:
    slow = asyncio.Event()

    async def answerer(question: Question) -> Answer:
        if question.words == ("home",):
            await slow.wait()
        message = Message("/".join(question.words), "said")
        return Answer(message, page=HomePage((message,), "mine", ("mine",)))

    async with rig(start=False) as r:
        await r.chat.start(answerer)
        r.slack.homes["UANA"] = home_view(HomePage((), "mine", ("mine", "team")))
        await r.slack.open_home("UANA")
        await r.slack.press_at_home("home:team", "UANA")
        await r.slack.until(lambda: r.slack.called("views.publish"))
        slow.set()
        await r.chat.close()
        assert "home/team" in json.dumps(r.slack.homes["UANA"])
        assert len(r.slack.called("views.publish")) == 1


async def test_people_of_another_workspace_have_no_page() -> None:
    async with rig(start=False) as r:
        await r.chat.start(paged)
        await r.slack.event({"type": "app_home_opened", "user": "UEXT", "tab": "home", "team": "T0OTHER"})
        await at_home(r)
        assert r.slack.homes.keys() == {"UANA"}


def values(view: dict[str, Any]) -> list[str]:
    return [element.get("value", "") for block in view["blocks"] for element in block.get("elements", [])]


SECTIONS = st.builds(
    Section,
    st.lists(TEXTS, max_size=3).map(tuple),
    st.none() | TEXTS,
    st.booleans(),
)
MESSAGES = st.builds(
    Message,
    title=TEXTS,
    fallback=TEXTS,
    text=TEXTS,
    fields=st.lists(st.builds(Field, TEXTS, TEXTS), max_size=3).map(tuple),
    sections=st.lists(SECTIONS, max_size=22).map(tuple),
    actions=st.lists(st.sampled_from(["ack:1", "share:me", "seat:ana"]), max_size=8).map(
        lambda ids: tuple(Action(each, each) for each in ids)
    ),
    footer=TEXTS,
)


@given(st.lists(MESSAGES, max_size=5), st.booleans())
def test_slack_takes_whatever_is_to_stand_there(messages: list[Message], native: bool) -> None:  # noqa: FBT001
    view = home_view(HomePage(tuple(messages), "mine", ("mine", "team")), native=native)
    assert view_verdict(view, "home") is None
    assert len(view["blocks"]) <= 100
    assert values(view).count("home:mine") == 2


def test_what_does_not_fit_is_said() -> None:
    long = Message("t", "t", sections=tuple(Section((str(number),)) for number in range(20)))
    view = home_view(HomePage((long,) * 8))
    assert len(view["blocks"]) == 100
    assert "There is more" in json.dumps(view["blocks"][-2])
