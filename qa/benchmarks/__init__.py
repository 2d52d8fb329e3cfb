"""What meterbot costs, compared with the least that is possible and with a plain httpx. `make bench` prints the table.

`upstream` is a claude.ai in a process of its own, `floor` the least work that Python can do, and each other module
measures one thing and can be run alone: `python -m qa.benchmarks.poll`.

Times are CPU times of one process on one core, measured alternately with the floor and the compared libraries. The
table has medians, and ratios of measurements of the same round.
"""
