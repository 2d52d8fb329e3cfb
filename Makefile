# Needs git, make and Python 3.11 or newer with venv; everything else goes into .venv and .peers.
# make PYTHON=python3.13 ... uses that Python, in a .venv of its own.

.DEFAULT_GOAL := help
.PHONY: help demo test quick check format docs faults days bench minutes real pictures clean
.DELETE_ON_ERROR:

# Without the files that Python keeps of what it has compiled, each test process compiles every test again.
unexport PYTHONDONTWRITEBYTECODE

VENV = .venv$(if $(PYTHON),-$(notdir $(PYTHON)))
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check
# Shows what pip downloads, and its errors; ends with pip's own status.
install = { $(PIP) install -c constraints.txt -e $(1) 2>&1; echo "status $$?"; } | awk '/^status [0-9]+$$/ { status = $$2; next } /^(Collecting|Building|Installing)/ { print "    " $$0; fflush() } /^(ERROR|error)/ { failed = 1 } failed { print } END { exit status }'
say = @printf '==> %s\n'

# A file stays in one process, in the order of tests/selection.py: the longest first. There are four, also on two cores,
# because many tests wait for programs that they start.
BY_FILE = --dist loadfile --no-loadscope-reorder

help:
	@echo 'make demo     show the whole bot with simulated services: no account, no token (ARGS="--once" plays one month at once)'
	@echo 'make test     everything that must hold: lint, format, types, imports, words, tests'
	@echo 'make quick    lint, types and the unit tests of most packages, in a minute'
	@echo 'make check    make test without the tests'
	@echo 'make format   format the code'
	@echo 'make faults   a thousand random schedules of kills, outages and broken databases (RUNS=10000, ARGS="--database postgresql")'
	@echo 'make days     ninety days of two hundred seats, twice: the same words, and nothing that grows'
	@echo 'make bench    what it costs: a table of goals, floors, peers and meterbot, in ten minutes'
	@echo 'make minutes  the first five minutes, timed: from a clone to an alert, here and as on a dyno (downloads packages)'
	@echo 'make real     try the agent with the real Claude Code program (downloads 190 MB from npm)'
	@echo 'make docs     write the generated pages again: examples, commands, schema'
	@echo 'make pictures draw the pictures of the pages in Chromium (needs node, npm, chromium, fonts-noto-color-emoji)'
	@echo 'make clean    delete what the others made'

demo: $(VENV)/.run
	@$(VENV)/bin/meterbot demo $(ARGS)

test: check
	$(say) 'peers: servers that others wrote'
	@$(VENV)/bin/python -m tests.peers.install
	$(say) 'tests'
	@$(VENV)/bin/python -m pytest -n 4 $(BY_FILE) $(ARGS)

quick: $(VENV)/.test
	$(say) 'lint'
	@$(VENV)/bin/ruff check --quiet
	$(say) 'types'
	@$(VENV)/bin/mypy
	$(say) 'unit tests on SQLite'
	@HYPOTHESIS_PROFILE=quick $(VENV)/bin/python -m pytest -n 2 $(BY_FILE) -k 'not postgresql' $(QUICK) $(ARGS)

# The rooms whose tests start no process, and few servers.
QUICK = tests/app/config tests/commands tests/core tests/delivery tests/ingest tests/rules tests/sources

check: $(VENV)/.test
	$(say) 'lint'
	@$(VENV)/bin/ruff check --quiet
	$(say) 'format'
	@$(VENV)/bin/ruff format --check --quiet || { echo 'not formatted: run make format'; exit 1; }
	$(say) 'types'
	@$(VENV)/bin/mypy
	$(say) 'imports'
	@$(VENV)/bin/lint-imports > $(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }
	$(say) 'words'
	@$(VENV)/bin/python -m tests.words

format: $(VENV)/.test
	@$(VENV)/bin/ruff check --fix --quiet || true
	@$(VENV)/bin/ruff format

docs: $(VENV)/.test
	@$(VENV)/bin/python -m tests.docs.examples
	@$(VENV)/bin/python -m tests.docs.schema

faults: $(VENV)/.test
	@$(VENV)/bin/python -m qa.faults --runs $(or $(RUNS),1000) $(ARGS)

days: $(VENV)/.test
	@$(VENV)/bin/python -m qa.faults.days $(ARGS)

bench: $(VENV)/.test
	@$(VENV)/bin/python -m qa.benchmarks $(ARGS)

pictures: $(VENV)/.test
	@$(VENV)/bin/python -m qa.pictures $(ARGS)

minutes: $(VENV)/.test
	@$(VENV)/bin/python -m qa.minutes

real: $(VENV)/.test
	@mkdir -p .peers/claude-code
	@test -x .peers/claude-code/package/claude || (cd .peers/claude-code \
	  && PATH="$(CURDIR)/$(VENV)/bin:$$PATH" npm pack --silent @anthropic-ai/claude-code-linux-x64 \
	  && tar -xzf anthropic-ai-claude-code-linux-x64-*.tgz)
	@$(VENV)/bin/python -m pytest qa/real

clean:
	rm -rf .venv .venv-* .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are as new as the last installation; an installation is as complete as the newest list of what is needed.
$(VENV)/.run: $(VENV)/.made pyproject.toml constraints.txt
	$(say) 'installing meterbot into $(VENV)'
	@$(call install,.)
	@touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml constraints.txt
	$(say) 'installing meterbot and its tests into $(VENV) (some minutes on a slow line)'
	@$(call install,'.[test]')
	@touch $(VENV)/.run $@

# The oldest first, so that nothing newer is used by mistake. pyenv's python3.11 runs only where 3.11 is the chosen
# version, and .python-version chooses another one.
$(VENV)/.made:
	@for python in $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3); do \
	  case $$python in python3.[0-9]*) python="env PYENV_VERSION=$${python#python} $$python";; esac; \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
	    printf '==> making $(VENV) with %s\n' "$$($$python --version)"; \
	    $(VENV)/bin/python -c '' 2> /dev/null || clear=--clear; \
	    $$python -m venv $$clear $(VENV) && touch $@ && exit; \
	    exit 1; \
	  fi; \
	done; \
	echo 'meterbot needs Python 3.11 or newer with venv (on Debian: apt install python3 python3-venv);' >&2; \
	echo 'if it is elsewhere, name it: make PYTHON=/path/to/python3 ...' >&2; \
	exit 1
