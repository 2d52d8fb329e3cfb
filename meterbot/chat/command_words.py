"""What can be asked with `/claude-spend`, for help texts and completion."""

WORDS = (
    ("", "the team: totals, who is blocked, every seat, who is missing"),
    ("me", "your own seats"),
    ("seat NAME", "one seat in full"),
    ("forecast", "where it is heading: pace, the month's end, when caps and windows are full"),
    ("history [DAYS] [NAME]", "what was spent on each day (7d, 30d, 90d), as a picture and in words"),
    ("renewals", "which subscription is charged when"),
    ("pr [NUMBER]", "what a merged pull request cost, or the month's"),
    ("why ALERT", "what an alert rests on; the id is on its button"),
    ("ack ALERT", "say that you look after it"),
    ("snooze ALERT 1h", "hold back what is no louder of its seat; also tomorrow, renewal"),
    ("mute ALERT", "tell this kind of alert of this seat no more"),
    ("muted", "what is snoozed or muted, and the way back"),
    ("settings", "the levels and quiet hours of your own seats, to be changed"),
    ("join", "the line with which your own machine sends your seat's numbers"),
    ("report", "paste your seat's numbers by hand"),
    ("status", "sources, destinations and version of meterbot"),
    ("help", "this list"),
)
"""What can be asked. `share` beside any of them answers in the channel."""
