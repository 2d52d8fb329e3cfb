"""meterbot's agent, for a seat's own machine: it reads what Claude Code there knows and sends numbers to meterbot.

It needs Python 3.8 or later and nothing else. `storage` keeps the agent's files, `network` makes the requests,
`document` says what may leave the machine, `claude_code` reads, `scheduler` lets the system start the agent, and
`main` is the command. meterbot serves these modules as one script, in this order, so that a person can read it before
running it.
"""
