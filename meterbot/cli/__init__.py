"""The commands an operator types. Exit status: 0 done · 1 it ran and something failed · 2 bad usage or configuration.

Every command imports its own parts so that --help answers at once.
"""

from meterbot.cli import interrupts  # isort: skip

# In the order in which --help lists them.
from meterbot.cli import init, running, numbers, machine, database, seats, chats, pushing  # isort: skip
from meterbot.cli.root import cli, main

__all__ = [
    "chats",
    "cli",
    "database",
    "init",
    "interrupts",
    "machine",
    "main",
    "numbers",
    "pushing",
    "running",
    "seats",
]
