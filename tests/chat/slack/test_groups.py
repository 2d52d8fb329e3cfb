"""Who is in which of Slack's user groups."""

from tests.chat.slack.rig import alert, rig
from tests.simulator.slack import SlackSimulator
from tests.simulator.slack_faults import refused, server_error


def workspace() -> SlackSimulator:
    slack = SlackSimulator()
    slack.groups = {"SLEADS": ["U0BOSS", "U0DEPUTY"], "SOTHERS": ["U0BOSS"]}
    return slack


async def test_a_question_says_in_which_of_the_named_groups_its_asker_is() -> None:
    async with rig(workspace(), groups=("SLEADS",)) as r:
        await r.slack.answer(await r.slack.slash("/claude-spend", user="U0BOSS"))
        await r.slack.answer(await r.slack.slash("/claude-spend", user="U0123"))

        assert [question.groups for question in r.asked[:2]] == [("SLEADS",), ()]
        assert [call["usergroup"] for call in r.slack.called("usergroups.users.list")] == ["SLEADS"]


async def test_without_groups_slack_is_not_asked() -> None:
    async with rig(workspace()) as r:
        await r.slack.answer(await r.slack.slash("/claude-spend", user="U0BOSS"))

        assert r.asked[0].groups == ()
        assert r.slack.called("usergroups.users.list") == []


async def test_where_slack_refuses_to_say_nobody_is_in_the_group() -> None:
    async with rig(workspace(), groups=("SLEADS",)) as r:
        assert r.chat._groups.of("U0BOSS") == ("SLEADS",)
        r.slack.fail("usergroups.users.list", refused("missing_scope", needed="usergroups:read"))
        await r.chat._groups.refresh()
        assert r.chat._groups.of("U0BOSS") == ()


async def test_what_slack_said_stands_while_it_cannot_be_reached() -> None:
    async with rig(workspace(), groups=("SLEADS",)) as r:
        r.slack.fail("usergroups.users.list", server_error())
        await r.chat._groups.refresh()
        assert r.chat._groups.of("U0DEPUTY") == ("SLEADS",)
        r.slack.groups["SLEADS"].remove("U0DEPUTY")
        await r.chat._groups.refresh()
        assert r.chat._groups.of("U0DEPUTY") == ()


async def test_a_button_says_it_too() -> None:
    async with rig(workspace(), groups=("SLEADS",)) as r:
        await r.chat.post("0123456789abcdef", r.slack.channel, alert())
        await r.slack.answer(await r.slack.press(r.slack.messages()[0], "share:why", user="U0DEPUTY"))
        assert r.asked[0].groups == ("SLEADS",)
