# Every chore has one name, used by people, CI and hooks alike. Each target sets up all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# tests make many small files: memory where there is some
SCRATCH := $(shell if [ -d /dev/shm ] && [ -w /dev/shm ]; then echo /dev/shm/wto-tests-$$(id -u); else echo $${TMPDIR:-/tmp}/wto-tests-$$(id -u); fi)
# most tests of the program wait for processes more than they compute: two workers for each processor
WORKERS ?= $(shell expr 2 '*' $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1))
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --durations=10

.PHONY: venv demo test lint soak fuzz bench bench-compare format types imports unit integration simulation e2e e2e-forge clients mcp-tools mcpb packages newest schema reference build clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,dev]'
	touch $@ $(VENV)/.demo

venv: $(VENV)/.dev

# the main job on a sample repository with the embedded agent; no keys, no network
demo: $(VENV)/.demo
	$(BIN)/python tools/demo.py demo-repository

# the oldest and the newest supported Claude Code client, in .tools/claude
clients: $(BIN)/python
	$(BIN)/python tools/install_clients.py

# the official inspector, conformance suite and bundle packer, and a Node.js for them, in .tools/mcp
mcp-tools: $(BIN)/python
	$(BIN)/python tools/install_mcp_tools.py

# the extension bundle for Claude Desktop, dist/wt-orchestrate.mcpb, validated by the official packer
mcpb: $(VENV)/.dev mcp-tools
	$(BIN)/python -m tools.bundle

# Chromium and gh for the tests that need them, where they can be installed
packages: $(BIN)/python
	$(BIN)/python tools/install_debian.py

test: $(VENV)/.dev clients mcp-tools packages
	mkdir -p $(SCRATCH)
	$(PYTEST) --basetemp=$(SCRATCH)/all -m 'not stopwatch'
	$(BIN)/python -m pytest --durations=10 --basetemp=$(SCRATCH)/stopwatch -m stopwatch

unit integration simulation e2e: $(VENV)/.dev
	mkdir -p $(SCRATCH)
	$(PYTEST) --basetemp=$(SCRATCH)/$@ tests/$@

# pull requests on a real forge (pagure in a Debian of its own): as root, with debootstrap, about 700 MB the first time
e2e-forge: $(VENV)/.dev
	mkdir -p $(SCRATCH)
	$(BIN)/python -m pytest --basetemp=$(SCRATCH)/forge tests/e2e/real_forge.py

# unit, integration and the core stories with the git and the Python of Debian sid, or of another SUITE, in NEWEST: as root, with
# debootstrap, about 900 MB the first time; where it cannot it says why and ends with 77
NEWEST ?= .tools/newest
SUITE ?= sid
newest: $(BIN)/python
	$(BIN)/python -m tools.newest $(NEWEST) $(SUITE)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(MAKE) --no-print-directory types imports

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: $(VENV)/.dev
	$(BIN)/wto plan schema > templates/plan.schema.json
	$(BIN)/wto plan schema --settings > templates/config.schema.json
	$(BIN)/python -m tools.mcp_schemas > templates/mcp-tools.json

reference: $(VENV)/.dev
	$(BIN)/python -m tools.reference

# random bad days for as long as you like: the simulation on all processors, then real processes
SECONDS ?= 60
soak: $(VENV)/.dev
	mkdir -p $(SCRATCH)
	$(BIN)/python -m tools.soak --seconds $(SECONDS) --scratch $(SCRATCH)/soak

# pairs of random branches, judged by their paths and by git itself: no conflict may be missed
PAIRS ?= 10000
fuzz: $(VENV)/.dev
	mkdir -p $(SCRATCH)
	$(BIN)/python -m tools.fuzz --pairs $(PAIRS) --scratch $(SCRATCH)/fuzz

bench: $(VENV)/.dev
	$(BIN)/python -m compileall -q wt_orchestrate
	$(BIN)/python benchmarks/run.py

# the benchmarks of BASE and of this checkout in turn, and what became worse; NAMES="start status" for some of them
BASE ?= HEAD
bench-compare: $(VENV)/.dev
	$(BIN)/python benchmarks/compare.py $(BASE) $(NAMES)

build: $(VENV)/.dev
	$(BIN)/python -m pip wheel --quiet --no-deps -w dist .

clean:
	rm -rf $(VENV) .tools build dist demo-repository demo-repository.worktrees demo-repository.state
