"""A person's Home tab on Slack: what stands there, how soon, and what can be changed there."""

import asyncio
import json
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat import Answer, Question
from meterbot.chat.slack_home_view import REFRESH, History, home_view
from meterbot.commands import Commands
from meterbot.handling import Handling
from meterbot.messages import Action, Field, Message, Picture, Section
from meterbot.own_settings import OwnSettings
from meterbot.privacy import Operators, Rows
from meterbot.rules import RuleSettings
from meterbot.simulator.slack import Fault, refused
from meterbot.simulator.slack_judge import view_verdict
from meterbot.store import Batch, Latest
from meterbot.store.database import Database
from tests.chat.slack_rig import Rig, alert, rig
from tests.teams import NOW, extra, reading, seat, snapshot, state

NAMES = ["ana", "bo", *(f"seat-{number}" for number in range(18))]
SEATS = {name: seat(name) for name in NAMES}
UTC = ZoneInfo("UTC")
TEXTS = st.text(max_size=12) | st.sampled_from(["x" * 160, "y " * 700, "z\n" * 1600, "<&>*_`" * 600])


async def filled(store: Database) -> Database:
    """Twenty seats, read just now."""
    read = [reading(snapshot(name, extra_usage=extra("12.50"))) for name in NAMES]
    batch = Batch(
        [Latest(each.seat, each.counter, each.known) for each in read], sources=[*map(state, NAMES)]
    )
    async with store.transaction() as transaction:
        await transaction.write(batch)
    return store


def commands(store: Database, rows: Rows = "named") -> Commands:
    return Commands(
        store,
        SEATS,
        now=lambda: NOW,
        tz=UTC,
        version="1",
        rows=rows,
        handling=Handling(store, SEATS, lambda: None, now=lambda: NOW, tz=UTC),
        settings=OwnSettings(store, SEATS, Operators(), RuleSettings().thresholds, UTC),
    )


async def at_home(r: Rig, user: str = "UANA") -> str:
    """All that stands on the tab once it has its history, which is drawn last."""
    drawn = len(r.slack.called("views.publish"))
    await r.slack.open_home(user)
    await r.slack.until(lambda: len(r.slack.called("views.publish")) > drawn + 1)
    return json.dumps(r.slack.homes[user])


async def test_it_shows_ones_own_seat_settings_and_the_team_before_the_history_is_drawn(
    store: Database,
) -> None:
    answerer = commands(await filled(store))
    async with rig(start=False) as r:
        await r.chat.start(answerer.answer, answerer.form)
        await r.slack.open_home("UANA")
        await r.slack.until(lambda: len(r.slack.called("views.publish")) == 2)
        shown = json.dumps(r.slack.called("views.publish")[0])
        for part in (
            "$12.50 / $50.00 (25%)",
            "Your settings",
            "Nothing is muted",
            "Claude spend, April 2026",
        ):
            assert part in shown


async def test_it_shows_of_others_what_one_may_see(store: Database) -> None:
    answerer = commands(await filled(store), "self")
    async with rig(start=False) as r:
        await r.chat.start(answerer.answer, answerer.form)
        shown = await at_home(r)

        assert "seat-17" not in shown
        assert "$250.00 spent" in shown


async def test_levels_are_changed_there_and_the_tab_shows_it(store: Database) -> None:
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
        await r.slack.until(lambda: "Levels: 30%" in json.dumps(r.slack.homes["UANA"]))

        assert r.slack.homes["UANA"] != before
        assert "Set for ana" in json.dumps(modal.view)


async def test_quiet_hours_are_changed_there(store: Database) -> None:
    answerer = commands(await filled(store))
    async with rig(start=False) as r:
        await r.chat.start(answerer.answer, answerer.form)
        await at_home(r)
        modal = await r.slack.modal(await r.slack.press_at_home("settings:quiet:ana", "UANA"))
        await r.slack.submit(modal, "22:00-07:00 Europe/Berlin")
        await r.slack.until(lambda: "22:00-07:00 (Europe/Berlin)" in json.dumps(r.slack.homes["UANA"]))


async def test_what_a_button_there_answers_is_a_window_and_the_tab_is_drawn_anew() -> None:
    async with rig(start=False) as r:

        async def answer(question: Question) -> Answer:
            r.asked.append(question)
            picture = Picture(b"png", "bars", "spend.png") if question.words[:1] == ("history",) else None
            return Answer(alert(f"You asked {' '.join(question.words)}", owner={}), picture=picture)

        await r.chat.start(answer)
        await at_home(r)
        drawn = len(r.slack.called("views.publish"))
        modal = await r.slack.modal(await r.slack.press_at_home("history", "UANA"))
        await r.slack.until(lambda: len(r.slack.called("views.publish")) > drawn)

        assert "You asked history" in json.dumps(modal.view)
        await r.slack.until(lambda: len(r.slack.files) > 1 and r.slack.files["F002"].channel)
        assert [file.channel for file in r.slack.files.values()] == [None, "DANA"]
        assert not [value for value in values(r.slack.homes["UANA"]) if value.startswith("share:")]


async def test_looking_again_opens_nothing() -> None:
    async with rig() as r:
        await at_home(r)
        drawn = len(r.slack.called("views.publish"))
        pressed = await r.slack.press_at_home(REFRESH, "UANA")
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
        await r.slack.until(lambda: r.slack.homes)

        assert r.slack.homes.keys() == {"UBO"}


async def pictured(question: Question) -> Answer:
    """Every answer to `history` has a picture."""
    said = Message("/".join(question.words) or "team", "said")
    return Answer(said, picture=Picture(b"png", "bars", "spend.png") if "history" in question.words else None)


def images(view: dict[str, Any]) -> list[str]:
    return [block["slack_file"]["id"] for block in view["blocks"] if block["type"] == "image"]


async def test_the_picture_comes_after_the_words_and_is_uploaded_once() -> None:
    async with rig(start=False) as r:
        await r.chat.start(pictured)
        await at_home(r)
        first, second = (call["view"] for call in r.slack.called("views.publish"))
        await r.slack.open_home("UANA")
        await r.slack.until(lambda: len(r.slack.called("views.publish")) == 3)

        assert (images(first), images(second)) == ([], ["F001"])
        assert images(r.slack.homes["UANA"]) == ["F001"]
        assert len(r.slack.files) == 1


async def test_where_the_picture_cannot_be_uploaded_the_words_stand_alone() -> None:
    async with rig(start=False) as r:
        await r.chat.start(pictured)
        r.slack.fail("files.getUploadURLExternal", refused("missing_scope", needed="files:write"))
        shown = await at_home(r)

        assert "history/30d" in shown
        assert images(r.slack.homes["UANA"]) == []


async def test_what_is_slow_to_draw_does_not_stand_over_what_was_drawn_since() -> None:
    slow, said = asyncio.Event(), "old"

    async def answerer(question: Question) -> Answer:
        now = said
        if now == "old" and "history" in question.words:
            await slow.wait()
        return Answer(Message(f"{now} {'/'.join(question.words)}", now))

    async with rig(start=False) as r:
        await r.chat.start(answerer)
        await r.slack.open_home("UANA")
        await r.slack.until(lambda: len(r.slack.called("views.publish")) == 1)
        said = "new"
        await r.slack.open_home("UANA")
        await r.slack.until(lambda: "new history/30d" in json.dumps(r.slack.homes["UANA"]))
        slow.set()
        await r.chat.close()
        assert "old" not in json.dumps(r.slack.homes["UANA"])
        assert len(r.slack.called("views.publish")) == 3


async def test_where_slack_does_not_show_the_picture_the_words_stand_alone() -> None:
    async with rig(start=False) as r:
        await r.chat.start(pictured)
        r.slack.fail("files.completeUploadExternal", Fault(body='{"ok": true, "files": []}'))
        await r.slack.open_home("UANA")
        await r.slack.until(lambda: len(r.slack.called("views.publish")) == 3)

        assert "history/30d" in json.dumps(r.slack.homes["UANA"])
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
    view = home_view(messages, history)
    assert view_verdict(view, "home") is None
    assert len(view["blocks"]) <= 100
    assert REFRESH in values(view)


def test_what_does_not_fit_is_said() -> None:
    long = Message("t", "t", sections=tuple(Section((str(number),)) for number in range(20)))
    view = home_view([long] * 8)
    assert len(view["blocks"]) == 100
    assert "There is more" in json.dumps(view["blocks"][-2])
