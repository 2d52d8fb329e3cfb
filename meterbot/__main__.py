"""`python -m meterbot`."""

from meterbot.cli import main

main()
