"""Runs against servers and contracts that others wrote. `python -m tests.peers.install` fetches them into .peers/."""
