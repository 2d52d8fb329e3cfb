"""Forms on Slack, over Socket Mode and over signed HTTP."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat import Answer, Form, Question
from meterbot.chat.slack import listen
from meterbot.chat.slack.views import LONGEST, errors, form_view, message_view
from meterbot.core.messages import Action, Message, Section
from tests.chat.log_lines import logged
from tests.chat.secrets import watching
from tests.chat.slack.rig import FORM, Rig, alert, rig
from tests.chat.slack.test_listen import over_http
from tests.simulator.slack_faults import rate_limited, refused
from tests.simulator.slack_judge import view_verdict
from tests.simulator.slack_objects import Interaction, Modal


async def opened(r: Rig) -> tuple[Interaction, Modal]:
    asked = await r.slack.slash("/claude-spend", "paste", user="U0ASKER")
    return asked, await r.slack.modal(asked)


def shown(modal: Modal) -> str:
    return str(modal.view["blocks"])


@pytest.mark.parametrize("connect", [rig, over_http])
async def test_a_form_is_opened_filled_in_and_answered_in_its_place(
    connect: Callable[[], AbstractAsyncContextManager[Rig]],
) -> None:
    async with connect() as r:
        asked, modal = await opened(r)
        assert modal.view["title"]["text"] == "Hand in numbers"
        assert modal.box()["label"]["text"] == "Paste the JSON"
        assert r.asked == []

        sent = await r.slack.submit(modal, "{\n  “x”: 1 }")

        assert r.asked == [Question(("paste", "ana"), "slack", "U0ASKER", text="{\n  “x”: 1 }")]
        assert "You said paste ana" in shown(modal)
        assert modal.open
        assert asked.answers == sent.answers == []


@pytest.mark.parametrize("connect", [rig, over_http])
async def test_what_is_not_taken_can_be_corrected(
    connect: Callable[[], AbstractAsyncContextManager[Rig]],
) -> None:
    async with connect() as r:
        _, modal = await opened(r)
        await r.slack.submit(modal, "wrong")
        assert modal.errors == {"text": "wrong"}
        assert modal.view["title"]["text"] == "Hand in numbers"

        await r.slack.submit(modal, "right")
        assert modal.errors == {}
        assert "You said paste ana" in shown(modal)


async def test_a_button_opens_a_form() -> None:
    async with rig() as r:
        await r.chat.post("delivery1", r.slack.channel, alert(actions=(Action("paste:ana", "Paste"),)))
        modal = await r.slack.modal(await r.slack.press(r.slack.messages()[0], "paste:ana"))
        await r.slack.submit(modal, "right")

        assert r.asked[0].words == ("paste", "ana")


async def test_a_form_that_slack_does_not_open_is_reported() -> None:
    async with rig() as r:
        for fault in (refused("expired_trigger_id"), rate_limited("1")):
            r.slack.fail("views.open", fault)
            said = await r.slack.answer(await r.slack.slash("/claude-spend", "paste"))
            assert said.text == "⚠️ No form. Slack did not open the form. Please ask again."
            assert said.payload["response_type"] == "ephemeral"


async def test_an_answer_that_takes_its_time_comes_after_the_acknowledgement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listen, "_SUBMISSION_SECONDS", 0.05)
    release = asyncio.Event()

    async with rig(start=False) as r:

        async def slow(question: Question) -> Answer:
            await release.wait()
            return await r.echo(question)

        await r.chat.start(slow, r.forms)
        _, modal = await opened(r)
        await r.slack.submit(modal, "right")
        assert "One moment" in shown(modal)

        release.set()
        await r.slack.until(lambda: "You said paste ana" in shown(modal))


async def test_a_late_answer_that_slack_does_not_take_is_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listen, "_SUBMISSION_SECONDS", 0.0)

    async def slow(_: Question) -> Answer:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return Answer(Message("Late", "late"))

    async with rig(start=False) as r, logged() as lines:
        await r.chat.start(slow, r.forms)
        r.slack.fail("views.update", refused("not_found"))
        await r.slack.submit((await opened(r))[1], "right")
        await r.slack.until(lambda: "the result of a form was not shown" in lines.events)


async def test_an_answer_that_never_comes_does_not_outlive_the_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "_SUBMISSION_SECONDS", 0.05)
    given_up = asyncio.Event()

    async def stuck(_: Question) -> Answer:
        try:
            return await asyncio.Future()
        finally:
            given_up.set()

    async with rig(start=False) as r:
        await r.chat.start(stuck, r.forms)
        await r.slack.submit((await opened(r))[1], "right")
        await r.chat.close()

        assert given_up.is_set()


async def test_a_failing_answer_is_reported_in_the_form_without_its_details() -> None:
    async def failing(_: Question) -> Answer:
        raise ValueError("planted")

    async with rig(start=False) as r:
        await r.chat.start(failing, r.forms)
        _, modal = await opened(r)
        await r.slack.submit(modal, "right")

        assert "Something went wrong" in shown(modal)
        assert "planted" not in shown(modal)


async def test_what_was_written_is_in_no_log(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with watching(caplog, capsys) as watch:
        async with rig() as r:
            _, modal = await opened(r)
            await r.slack.submit(modal, "planted text")
    watch.assert_hidden("planted text", r.chat)


def test_a_form_for_slack_is_one_that_slack_takes() -> None:
    longest = Form(("w" * 80,), "t" * 24, "l" * 45, "h" * 100)
    for form in (FORM, longest):
        assert view_verdict(form_view(form)) is None
    assert form_view(FORM)["blocks"][0]["element"]["max_length"] == LONGEST


@given(text=st.text(), line=st.text(max_size=500))
def test_whatever_is_said_of_a_form_slack_takes(text: str, line: str) -> None:
    message = Message(text, text, text=text, sections=(Section((line,) * 30, fixed=True),))
    assert view_verdict(message_view(message)) is None
    assert len(errors(message)["text"]) <= 300


def test_a_command_can_be_copied_exactly() -> None:
    command = "METERBOT_URL=https://m.example/ A='<b>&@' meterbot push install --every 15m # " + "x" * 300
    view = message_view(Message("Join", "Join", sections=(Section((command,), fixed=True, verbatim=True),)))
    [block] = [block for block in view["blocks"] if block["type"] == "rich_text"]
    assert block["elements"] == [
        {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": command}]}
    ]
