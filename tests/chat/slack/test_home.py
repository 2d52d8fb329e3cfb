"""A person's Home tab on Slack: what stands there, how soon, and what can be changed there."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat import Answer, HomePage, Question
from meterbot.chat.slack.home import notes_in_memory
from meterbot.chat.slack.home_view import History, home_view
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.commands.team_report import TeamReport
from meterbot.core.messages import Action, Field, Message, Picture, Section
from meterbot.core.privacy import Operators, Rows
from meterbot.delivery.redaction import Redaction
from meterbot.rules import RuleSettings
from meterbot.store import Batch, Latest, Store, batches
from tests.chat.slack.rig import Rig, rig
from tests.simulator.slack_faults import Fault, refused
from tests.simulator.slack_judge import view_verdict
from tests.simulator.slack_objects import SlackFile
from tests.teams import (
    NOW,
    extra,
    reading,
    seat,
    snapshot,
    state,
)

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
    """All that stands on the tab once it has its history, which is drawn last."""
    drawn = len(r.slack.called("views.publish"))
    await (r.slack.press_at_home(f"home:{tab}", user) if tab else r.slack.open_home(user))
    await r.slack.until(lambda: len(r.slack.called("views.publish")) > drawn + 1, 30.0)
    return json.dumps(r.slack.homes[user])


async def test_it_shows_ones_own_seat_and_settings_before_the_history_is_drawn(store: Store) -> None:
    answerer = commands(await filled(store))
    async with rig(start=False) as r:
        await r.chat.start(answerer.answer, answerer.form)
        await at_home(r)
        first, second = (json.dumps(call["view"]) for call in r.slack.called("views.publish"))
        for part in ("$12.50 / $50.00 (25%)", "Your settings", "Nothing is muted"):
            assert part in first
        days = "Extra usage of ana, the last 30 days"
        assert (days in first, days in second) == (False, True)
        assert "Claude spend, April 2026" not in second


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
        assert "50%, 80%, 95% (as configured)" in await at_home(r)
        pressed = await r.slack.press_at_home("settings:thresholds:ana", "UANA")
        modal = await r.slack.modal(pressed)
        before = r.slack.homes["UANA"]
        await r.slack.submit(modal, "much")
        assert "is no level" in json.dumps(modal.errors)
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


async def test_what_a_button_there_answers_is_a_window_and_the_tab_is_drawn_anew() -> None:
    async with rig(start=False) as r:
        await r.chat.start(pictured)
        await at_home(r)
        drawn = len(r.slack.called("views.publish"))
        modal = await r.slack.modal(await r.slack.press_at_home("history", "UANA"))
        await r.slack.until(lambda: len(r.slack.called("views.publish")) > drawn)

        assert "history" in json.dumps(modal.view)
        await r.slack.until(lambda: len(r.slack.files) > 1 and r.slack.files["F002"].channel)
        assert [file.channel for file in r.slack.files.values()] == [None, "DANA"]
        assert not [value for value in values(r.slack.homes["UANA"]) if value.startswith("share:")]


async def test_looking_again_opens_nothing() -> None:
    async with rig(start=False) as r:
        await r.chat.start(pictured)
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


async def pictured(question: Question) -> Answer:
    """Every answer to `history` has a picture, the page's, too."""
    said = Message("/".join(question.words) or "team", "said", actions=(Action("share:me", "Share"),))
    shown = Answer(said, picture=Picture(b"png", "bars", "spend.png"))
    if question.words[:1] == ("home",):

        async def history() -> Answer:
            return shown

        return Answer(said, page=HomePage((said,), "mine", ("mine",), history))
    return shown if "history" in question.words else Answer(said)


def images(view: dict[str, Any]) -> list[str]:
    return [block["slack_file"]["id"] for block in view["blocks"] if block["type"] == "image"]


async def test_the_picture_comes_after_the_words_and_is_uploaded_once() -> None:
    async with rig(start=False) as r:
        await r.chat.start(pictured)
        await at_home(r)
        await at_home(r, tab="mine")
        assert [images(call["view"]) for call in r.slack.called("views.publish")] == [
            [],
            ["F001"],
            ["F001"],
            ["F001"],
        ]
        assert len(r.slack.files) == 1


async def test_a_picture_that_shows_something_new_takes_the_place_of_the_one_before() -> None:
    drawn = 0

    async def answerer(question: Question) -> Answer:
        page = (await pictured(question)).page
        assert page is not None

        async def history() -> Answer:
            nonlocal drawn
            drawn += 1
            return Answer(page.messages[0], picture=Picture(b"png", f"bars {drawn}", "spend.png"))

        return Answer(page.messages[0], page=replace(page, history=history))

    notes = notes_in_memory()
    for _ in range(2):  # a restart forgets none
        async with rig(start=False, notes=notes) as r:
            r.slack.uploads = drawn
            r.slack.files |= (
                {f"F{drawn:03}": SlackFile("spend.png", 3, "", b"png", complete=True)} if drawn else {}
            )
            await r.chat.start(answerer)
            await at_home(r)
            await at_home(r, tab="mine")
            await r.slack.until(lambda: list(r.slack.files) == [f"F{drawn:03}"])
            assert images(r.slack.homes["UANA"]) == [f"F{drawn:03}"]


async def test_a_picture_that_cannot_be_taken_away_disturbs_nothing() -> None:
    async with rig(start=False) as r:
        await r.chat.start(pictured)
        await at_home(r)
        r.slack.fail("files.delete", refused("cant_delete_file"))
        r.slack.files.clear()  # somebody deleted it
        await r.slack.press_at_home("home:mine", "UANA")
        await r.slack.until(lambda: images(r.slack.homes["UANA"]) == ["F002"])


async def test_where_the_picture_cannot_be_uploaded_the_words_stand_alone() -> None:
    async with rig(start=False) as r:
        await r.chat.start(pictured)
        r.slack.fail("files.getUploadURLExternal", refused("missing_scope", needed="files:write"))
        await at_home(r)
        assert images(r.slack.homes["UANA"]) == []


@asynccontextmanager
async def opened(answerer: Callable[[Question], Awaitable[Answer]]) -> AsyncIterator[Rig]:
    """Ana has opened her tab, and sees its words."""
    async with rig(start=False) as r:
        await r.chat.start(answerer)
        await r.slack.open_home("UANA")
        await r.slack.until(lambda: len(r.slack.called("views.publish")) == 1)
        yield r


async def test_what_is_slow_stands_over_nothing_new() -> None:
    slow, said = asyncio.Event(), "old"

    async def answerer(question: Question) -> Answer:
        now = said
        message = Message(f"{now} {'/'.join(question.words)}", now)

        async def history() -> Answer:
            if now == "old":
                await slow.wait()
            return Answer(Message(f"{now} days", now))

        return Answer(message, page=HomePage((message,), "mine", ("mine",), history))

    async with opened(answerer) as r:
        said = "new"
        await r.slack.press_at_home("home:mine", "UANA")
        await r.slack.until(lambda: "new days" in json.dumps(r.slack.homes["UANA"]))
        slow.set()
        await r.chat.close()
        assert "old" not in json.dumps(r.slack.homes["UANA"])
        assert len(r.slack.called("views.publish")) == 3


async def test_who_opens_it_while_its_history_is_drawn_sees_at_once_what_is_known_and_the_history_below_it() -> (
    None
):
    slow, said, drawn = asyncio.Event(), "old", 0

    async def answerer(question: Question) -> Answer:
        message = Message(said, f"{said} {question.user}")

        async def history() -> Answer:
            nonlocal drawn
            drawn += 1
            await slow.wait()
            return Answer(Message("thirty days", "days"))

        return Answer(message, page=HomePage((message,), "mine", ("mine",), history))

    async with opened(answerer) as r:
        said = "new"
        for looks in (2, 3):
            await r.slack.open_home("UANA")
            await r.slack.until(lambda: len(r.slack.called("views.publish")) == looks)
        assert drawn == 1
        assert "new" in json.dumps(r.slack.homes["UANA"])
        slow.set()
        await r.slack.until(lambda: len(r.slack.called("views.publish")) == 6)
        await r.chat.close()

    assert drawn == 2
    shown = [json.dumps(call["view"]) for call in r.slack.called("views.publish")]
    assert ["new" in each for each in shown] == [False, *[True] * 5]
    assert ["thirty days" in each for each in shown] == [False, False, False, True, False, True]


async def test_who_opens_it_while_it_is_drawn_sees_in_the_end_what_holds_then() -> None:
    slow, said = asyncio.Event(), "old"

    async def answerer(question: Question) -> Answer:
        message = Message(said, f"{said} {question.user}")

        async def history() -> Answer:
            await slow.wait()
            return Answer(message)

        return Answer(message, page=HomePage((message,), "mine", ("mine",), history))

    async with opened(answerer) as r:
        said = "new"
        for _ in range(3):
            await r.slack.open_home("UANA")
        slow.set()
        await r.slack.until(lambda: "new" in json.dumps(r.slack.homes["UANA"]))
        await r.chat.close()
        assert "old" not in json.dumps(r.slack.homes["UANA"])


async def test_other_bars_under_the_same_words_are_a_new_picture() -> None:
    drawn = 0

    async def answerer(question: Question) -> Answer:
        page = (await pictured(question)).page
        assert page is not None

        async def history() -> Answer:
            nonlocal drawn
            drawn += 1
            return Answer(page.messages[0], picture=Picture(b"png" * drawn, "the same sum", "spend.png"))

        return Answer(page.messages[0], page=replace(page, history=history))

    async with rig(start=False) as r:
        await r.chat.start(answerer)
        await at_home(r)
        await at_home(r, tab="mine")
        assert images(r.slack.homes["UANA"]) == ["F002"]


async def test_where_slack_does_not_show_the_picture_the_words_stand_alone() -> None:
    async with rig(start=False) as r:
        await r.chat.start(pictured)
        r.slack.fail("files.completeUploadExternal", Fault(body='{"ok": true, "files": []}'))
        await r.slack.open_home("UANA")
        await r.slack.until(lambda: len(r.slack.called("views.publish")) == 3)

        assert images(r.slack.homes["UANA"]) == []


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


HISTORIES = st.none() | st.builds(History, MESSAGES, st.none() | st.just("F001"), TEXTS)


@given(st.lists(MESSAGES, max_size=5), HISTORIES)
def test_slack_takes_whatever_is_to_stand_there(messages: list[Message], history: History | None) -> None:
    view = home_view(HomePage(tuple(messages), "mine", ("mine", "team")), history)
    assert view_verdict(view, "home") is None
    assert len(view["blocks"]) <= 100
    assert values(view).count("home:mine") == 2


def test_what_does_not_fit_is_said() -> None:
    long = Message("t", "t", sections=tuple(Section((str(number),)) for number in range(20)))
    view = home_view(HomePage((long,) * 8))
    assert len(view["blocks"]) == 100
    assert "There is more" in json.dumps(view["blocks"][-2])
