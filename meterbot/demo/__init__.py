"""A made-up month on a simulated claude.ai, for `meterbot demo`."""
