"""What is said about sources: down, back, or speaking for somebody else."""

from meterbot.core.messages import Field
from meterbot.core.text import sentence
from meterbot.delivery.alerts.facts import EventFacts, Words


def source_down(told: EventFacts) -> Words:
    health = (told.text("health") or "unknown").replace("_", " ")
    last, since = told.moment("last_ok_at"), told.moment("since")
    known = f"Its last known numbers are from {last}." if last else "It has not been read yet."
    detail, remedy = told.text("detail"), told.text("remedy")
    fields = (Field("Since", since),) if since else ()
    return Words(f"{told.who} cannot be read: {health}", (known, *_told_if(detail)), _told_if(remedy), fields)


def _told_if(text: str | None) -> tuple[str, ...]:
    return () if text is None else (sentence(text),)


def source_up(told: EventFacts) -> Words:
    since = told.moment("down_since")
    meaning = (f"It could not be read since {since}.",) if since else ()
    return Words(f"{told.who} is being read again", meaning)


def identity_changed(told: EventFacts) -> Words:
    what = told.text("what") or "account"
    return Words(
        f"{told.who} now reports another {what}",
        ("From here on it is another counter; what stands on it already is not told as new spend.",),
        ("If that was intended, there is nothing to do. If not, check whose credential the seat uses.",),
    )


def session_expiring(told: EventFacts) -> Words:
    ends = told.moment("ends_at")
    left = {"7d": "within 7 days", "3d": "within 3 days", "1d": "within a day"}
    advice = (
        "Its owner signs in to claude.ai again and hands the new session key to whoever runs meterbot. "
        "In place of the old one it counts from the next start of meterbot."
    )
    return Words(
        f"{told.who}: the claude.ai session ends {left.get(told.text('level') or '', 'soon')}",
        ("After that its numbers cannot be read.",),
        (advice,),
        (Field("Ends", ends),) if ends else (),
    )
