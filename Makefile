# `make demo` from a fresh clone shows the phenomenon; `make test` checks everything.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo venv test test-fast lint

# What the demo needs, without the tools of developers.
demo: .venv/.installed
	$(BIN)/undertow demo

venv: .venv/.installed-dev

test: venv
	$(BIN)/pytest -n auto --dist loadfile

test-fast: venv
	$(BIN)/pytest -n auto --dist loadfile -m "not slow"

lint: venv
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/pyright

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
