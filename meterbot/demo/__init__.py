"""A claude.ai, an api.anthropic.com, a Slack and a Discord on loopback, with faults on demand: the demo and the tests run on them."""
