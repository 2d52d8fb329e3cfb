"""What meterbot costs, beside what it could cost at least and what a plain httpx would: `make bench` prints the table.

`upstream` is a claude.ai in a process of its own, `floor` the least that Python can do, and each other module measures
one thing and may be run alone: `python -m qa.benchmarks.poll`. Times are CPU times of one process on one core, taken in
turns with the floor's and the peers'; the table has medians, and ratios of the same turn.
"""
