# Needs git, make and Python 3.11 or newer with venv; everything else is put into .venv and .peers.

.DEFAULT_GOAL := help
.PHONY: help demo test check format docs faults days bench minutes clean
.DELETE_ON_ERROR:

PIP = .venv/bin/python -m pip --disable-pip-version-check --quiet --quiet
say = @printf '==> %s\n'

help:
	@echo 'make demo     show the whole bot on simulated services: no account, no token (ARGS="--once" plays it in one go)'
	@echo 'make test     everything that must hold: lint, format, types, imports, tests'
	@echo 'make check    the same without the tests'
	@echo 'make format   put the code into shape'
	@echo 'make faults   a thousand random schedules of kills, outages and broken databases (RUNS=10000, ARGS="--database postgresql")'
	@echo 'make days     ninety days of two hundred seats, twice: the same words, and nothing that grows'
	@echo 'make bench    what it costs: a table of goals, floors, peers and ours, in ten minutes'
	@echo 'make minutes  the first five minutes, timed: from a clone to an alert, here and as on a dyno (fetches packages)'
	@echo 'make docs     write anew what the program says of itself: examples, commands, schema'
	@echo 'make clean    remove what the others made'

demo: .venv/.run
	@.venv/bin/meterbot demo $(ARGS)

test: check
	$(say) 'peers: servers that others wrote'
	@.venv/bin/python -m tests.peers.install
	$(say) 'tests'
	@.venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

check: .venv/.test
	$(say) 'lint'
	@.venv/bin/ruff check --quiet
	$(say) 'format'
	@.venv/bin/ruff format --check --quiet || { echo 'not in shape: run make format'; exit 1; }
	$(say) 'types'
	@.venv/bin/mypy
	$(say) 'imports'
	@.venv/bin/lint-imports > .venv/imports.txt || { cat .venv/imports.txt; exit 1; }

format: .venv/.test
	@.venv/bin/ruff check --fix --quiet || true
	@.venv/bin/ruff format

docs: .venv/.test
	@.venv/bin/python -m tests.docs.examples
	@.venv/bin/python -m tests.docs.schema

faults: .venv/.test
	@.venv/bin/python -m tests.faults --runs $(or $(RUNS),1000) $(ARGS)

days: .venv/.test
	@.venv/bin/python -m tests.faults.days $(ARGS)

bench: .venv/.test
	@.venv/bin/python -m benchmarks $(ARGS)

minutes: .venv/.test
	@.venv/bin/python -m tests.minutes

clean:
	rm -rf .venv .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are as new as the last installation; an installation is as complete as the newest list of what is needed.
.venv/.run: .venv/.made pyproject.toml constraints.txt
	$(say) 'installing meterbot into .venv'
	@$(PIP) install -c constraints.txt -e .
	@touch $@

.venv/.test: .venv/.made pyproject.toml constraints.txt
	$(say) 'installing meterbot and its tests into .venv (some minutes on a slow line)'
	@$(PIP) install -c constraints.txt -e '.[test]'
	@touch .venv/.run $@

.venv/.made:
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3; do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
	    printf '==> making .venv with %s\n' "$$($$python --version)"; \
	    .venv/bin/python -c '' 2> /dev/null || clear=--clear; \
	    $$python -m venv $$clear .venv && touch $@ && exit; \
	    exit 1; \
	  fi; \
	done; \
	echo 'meterbot needs Python 3.11 or newer with venv (on Debian: apt install python3 python3-venv);' >&2; \
	echo 'if it stands elsewhere, say where: make PYTHON=/path/to/python3 ...' >&2; \
	exit 1
