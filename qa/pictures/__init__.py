"""Pictures of meterbot's messages for README.md and docs/, drawn from its own payloads."""
