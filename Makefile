# `make` sets up .venv and runs the default experiment; `make test` sets up and runs the tests.
PYTHON ?= python3
CORES ?= 8
BIN := .venv/bin

.PHONY: all setup test lint clean

all: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --workflow-profile workflow/profiles/default --cores $(CORES) all

setup: .venv/.complete

.venv/.complete: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

test: setup lint
	PATH="$(CURDIR)/$(BIN):$$PATH" pytest --numprocesses 2 --dist loadgroup

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/lint-imports

clean:
	rm -rf .venv .snakemake results
