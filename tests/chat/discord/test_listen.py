"""Forms on Discord, by real discord.py against the simulated one, every word held against Discord's description."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat.discord.listen import LONGEST, form_payload, written_in
from meterbot.chat.discord.render import answer_payload
from meterbot.core.messages import Action, Message, Section
from tests.chat.discord.rig import (
    CALLBACK,
    DELIVERY,
    FORM,
    Answers,
    alert,
    running,
    simulated,
)
from tests.chat.secrets import watching
from tests.simulator.discord import DiscordSimulator
from tests.simulator.discord_faults import refused
from tests.simulator.discord_judge import problems


@pytest.fixture
async def discord() -> AsyncIterator[DiscordSimulator]:
    async with simulated() as discord:
        yield discord


async def ready(discord: DiscordSimulator) -> None:
    await discord.until(lambda: discord.commands and discord.gateway.live)


async def test_a_form_is_opened_filled_in_and_answered_for_the_asker_only(discord: DiscordSimulator) -> None:
    answers = Answers()
    async with running(discord, answers):
        await ready(discord)
        asked = await discord.slash("paste", user="77")
        form = await discord.form_of(asked)
        assert answers.asked == []
        assert form["title"] == "Hand in numbers"
        assert form["components"][0]["label"] == "Paste the JSON"

        answer = await discord.answer_to(await discord.submit(form, '{\n "x": 1}', user="77"))

    [question] = answers.asked
    assert (question.words, question.text, question.user) == (("paste", "ana"), '{\n "x": 1}', "77")
    assert answer["flags"] == 64
    assert answer["embeds"][0]["title"] == "The team"
    assert asked.original is None
    assert discord.messages() == []


async def test_a_button_opens_a_form_and_it_can_be_sent_after_a_restart(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        await ready(discord)
        message = alert(actions=(Action("paste:ana", "Paste"),))
        posted = await chat.post(DELIVERY, discord.channel_id, message)
        [row] = discord.messages()[0]["components"]
        pressed = await discord.press(posted.message, row["components"][0]["custom_id"])
        form = await discord.form_of(pressed)
    answers = Answers()
    async with running(discord, answers):
        await discord.connected()
        await discord.answer_to(await discord.submit(form, "right"))
    assert [question.words for question in answers.asked] == [("paste", "ana")]


async def test_a_form_that_was_too_late_disturbs_nothing(discord: DiscordSimulator) -> None:
    async with running(discord):
        await ready(discord)
        discord.fail("POST", CALLBACK, refused(404, 10062, "Unknown interaction"))
        await discord.slash("paste")
        assert await discord.form_of(await discord.slash("paste"))


def copied(line: str) -> Section:
    return Section((line,), fixed=True, verbatim=True)


async def test_what_is_answered_is_in_no_log(
    discord: DiscordSimulator, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = Answers(Message("Join", "Join", sections=(copied("TOKEN=planted-command x"),)))
    with watching(caplog, capsys) as watch:
        async with running(discord, answers) as chat:
            await ready(discord)
            answer = await discord.answer_to(await discord.slash("join"))
            # By its answer to another question it has seen, and logged, how the first was taken.
            answers.message = Message("Other", "Other")
            await discord.answer_to(await discord.slash("me"))
        watch.assert_hidden("planted-command", chat)
    assert answer["embeds"][0]["description"] == "```\nTOKEN=planted-command x\n```"


def test_a_form_tells_discord_how_much_may_be_written() -> None:
    box = form_payload(FORM)["data"]["components"][0]["component"]
    assert (box["max_length"], box["style"]) == (LONGEST, 2)


@pytest.mark.parametrize(
    "components",
    [
        [{"type": 18, "component": {"type": 4, "custom_id": "text", "value": "x"}}],
        [{"type": 1, "components": [{"type": 4, "custom_id": "text", "value": "x"}]}],
        [{"type": 10}, {"type": 18, "component": {"type": 4, "value": "x"}}],
    ],
)
def test_the_text_is_found_in_either_of_discords_ways_to_lay_out_a_form(components: list[Any]) -> None:
    assert written_in(components) == "x"


@pytest.mark.parametrize("components", [[], [{"type": 18}], [{"type": 4, "value": None}], [{"type": 1}]])
def test_a_form_without_a_text_has_an_empty_one(components: list[Any]) -> None:
    assert written_in(components) == ""


def test_a_command_can_be_copied_exactly() -> None:
    command = "METERBOT_URL=https://m.example/ A='<b>&@_*|~' meterbot push install --every 15m # " + "x" * 300
    embed = answer_payload(Message("Join", "Join", text="Do this.", sections=(copied(command),)))["embeds"][0]
    assert embed["description"] == f"Do this.\n```\n{command}\n```"


@given(command=st.text(max_size=1000), text=st.text(max_size=8000))
def test_any_command_stays_in_its_block_and_fits(command: str, text: str) -> None:
    payload = answer_payload(Message("Join", "Join", text=text, sections=(copied(command),)))
    assert problems(payload) == []
    if command:
        assert payload["embeds"][0]["description"].count("```") == 2
