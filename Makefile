# clankvox: `make demo` shows the product, `make test` proves it. Everything installs into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
STAMP := $(VENV)/.installed
WORKERS ?= 2
NODE_STAMPS := tests/peers/node_modules/.installed tests/examples/node_modules/.installed

.PHONY: setup demo test lint nightly diagrams docs bench bench-readme soak peers clean

# The tests start the program hundreds of times: it need not be compiled each time, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

setup: $(STAMP)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "clankvox needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

# What the product needs, and no more: `make demo` asks for nothing but Python.
$(RUNTIME): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $(RUNTIME)

# What proves it; one of these (pesq) is compiled, and wants a C compiler.
$(STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(RUNTIME) $(STAMP)

demo: $(RUNTIME)
	$(BIN)/python -m clankvox demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What the tests call from npm: @discordjs/voice as a third party, Bun for the example. discord.py comes with the dev extra.
peers: $(NODE_STAMPS)

%/node_modules/.installed: %/package.json
	cd $* && npm install --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

test:
	$(MAKE) --no-print-directory --jobs=2 lint peers
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --no-loadscope-reorder

# A hundred times as many orders of events as `make test` draws, and others every time: about four hours of CPU, a suite
# to a worker. What fails is written to tests/stateful/orders_that_failed.
nightly: setup
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest --timeout 0 --numprocesses=$(WORKERS) tests/stateful

diagrams: setup
	$(BIN)/python tools/diagrams.py

# docs/ipc.md, docs/ipc.schema.json and the table of close codes, from the types.
docs: setup
	$(BIN)/python -m tools.contract

bench: setup
	$(BIN)/python -m tools.bench

# The medians of several runs of everything, peers included, go into README and docs/benchmarks.md: three hours, or
# about MINUTES with shorter measurements. SECONDS gives all the same length, ADD=1 adds to the runs that are kept, and
# FROM=bench/results measures nothing.
bench-readme: RUNS ?= 5
bench-readme: setup peers
	$(BIN)/python -m tools.bench --runs $(RUNS) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(ADD),--add) $(if $(FROM),--from $(FROM)) $(if $(ONLY),--only $(ONLY)) --readme README.md || test $$? -eq 1

# A call among faults; the report is in soak-out. CHURN is how often the group changes in the second part, SILENCE the
# minutes of each silence behind a NAT in the third (MINUTES=0 CHURN=0 for that alone).
soak: MINUTES ?= 30
soak: SEED ?= 1
soak: CHURN ?= 1000
soak: SILENCE ?= 2
soak: setup
	$(BIN)/python -m tools.soak --minutes $(MINUTES) --seed $(SEED) --churn $(CHURN) --silence $(SILENCE)

clean:
	rm -rf $(VENV) tests/peers/node_modules tests/examples/node_modules build dist *.egg-info demo-out soak-out
