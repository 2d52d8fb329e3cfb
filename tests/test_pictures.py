"""What `python -m qa.pictures --all` draws: every kind of message, each as the platforms take it."""

from itertools import chain

from meterbot.chat.discord.render import answer_payload, post_payload
from meterbot.chat.slack.render import render
from meterbot.core.models import EventKind
from qa.pictures.scenes import alert_posts, played, team_posts
from tests.simulator.discord_judge import problems
from tests.simulator.slack_judge import verdict


async def test_every_kind_and_the_digests_are_drawn() -> None:
    answers, digests = await played(1)
    posts = alert_posts()
    assert posts.keys() >= {kind.value for kind in EventKind}
    assert digests.keys() == {"digest of a day", "digest of a week", "digest of one's own"}
    assert "spent" in digests["digest of a week"].title
    drawn = [*digests.values(), *posts.values(), *team_posts(1).values()]
    for message in chain(drawn, (answer.message for answer in answers.values())):
        assert verdict(render(message)) is None
        assert problems(post_payload(message, "picture0picture0")) == []
        assert problems(answer_payload(message)) == []
