# Two commands for a newcomer: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers

.PHONY: run test suite torture check bench bundle lock schema readme clean

run: $(VENV)/.installed
	$(BIN)/reminder run

# Tests start processes by the hundred: let them find the modules compiled.
unexport PYTHONDONTWRITEBYTECODE

# One process more than there are cores: most tests wait for a daemon or a server.
TESTERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

# What reads the code uses one core: the suite begins beside it.
test: $(VENV)/.installed-dev
	$(MAKE) --no-print-directory -j2 check suite

suite: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(TESTERS) --dist worksteal

# The long versions of what `make test` samples, some hours; what was counted stands at the end.
LONG := $(addprefix tests/,torture faults bundle sweep api backup cli daemon delivery editing ledger)
torture: $(VENV)/.installed-dev
	REMINDER_TORTURE=full $(BIN)/python -m pytest $(LONG) --durations=15

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# About half an hour. What is measured beside the product lives in an environment of its own.
# One section alone: make bench SECTION=mail
SECTION ?=
bench: $(VENV)/.installed-dev $(PEERS)/.installed
	$(BIN)/python -m benchmarks.run $(SECTION)

# For offices without internet: dist/reminder-VERSION-bundle.tar.gz, of the last commit.
bundle: $(VENV)/.installed
	$(BIN)/python deploy/bundle/build.py

schema: $(VENV)/.installed
	$(BIN)/reminder schema > schedules/plan.schema.json

# What the commands in the READMEs print, written anew.
readme: $(VENV)/.installed-dev
	$(BIN)/python -m tests.packaging.console README.md README.zh-CN.md

# The lock is made for all supported versions of Python at once and names no address.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -o requirements.lock
	uv pip compile pyproject.toml --extra cluster --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -o requirements-cluster.lock
	uv pip compile pyproject.toml --extra cluster --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -o requirements-dev.lock
	uv pip compile --group build --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -o requirements-build.lock
	uv pip compile benchmarks/peers/requirements.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -o requirements-peers.lock

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "需要 Python 3.11、3.12 或 3.13；可用 make PYTHON=python3.12 指定。"; exit 1; }
	$(PYTHON) -m venv $(VENV)

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# What is published as source is built with the pinned tools: isolation would fetch unpinned ones.
$(VENV)/.installed: requirements.lock requirements-build.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) --require-hashes -r requirements-build.lock
	$(PIP) --require-hashes --no-build-isolation -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(PIP) --require-hashes --no-build-isolation -r requirements-dev.lock
	touch $@

$(PEERS)/.installed: requirements-peers.lock | $(VENV)/bin/python
	$(BIN)/python -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
