"""The agent on a seat's own machine: reads what is already there and sends numbers only.

The way of a reading: `claude_code` asks the installed program or, with the token it keeps, Anthropic (`program`,
`credentials`); `document` cuts the answer down to what may leave; `agent` decides when to read and to send, and
remembers it in `memory`; `destination` hands it to meterbot. `extras` adds what only this machine can see, and
`install` lets the system's own scheduler run all of it.

It starts every quarter of an hour on a developer's machine: nothing of the bot itself is imported here.
"""
