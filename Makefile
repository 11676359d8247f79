# `make` sets up .venv and runs the default experiment. `make check`: linters, types, fast tests; `make test`: what CI
# runs; `make test-all`: what is longer too.
PYTHON ?= python3
CORES ?= 8
WORKERS ?= 2
BIN := .venv/bin
# Each file's tests go to one worker, which makes their fixtures once; tests/conftest.py says what begins. The workers
# share the cores, and threads that wait for one another by spinning would take them from the other worker.
THREADS := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
PYTEST := PATH="$(CURDIR)/$(BIN):$$PATH" $(THREADS) pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: all setup lint check test test-all clean

all: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --workflow-profile workflow/profiles/default --cores $(CORES) all

setup: .venv/.complete

.venv/.complete: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/lint-imports
	$(BIN)/mypy

check: lint
	$(PYTEST) -m 'not slow and not long'

test: lint
	$(PYTEST) -m 'not long'

test-all: lint
	$(PYTEST)

# Results stay, and so does .snakemake, which knows what they were made of.
clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
