# `make demo` and `make test` need Python 3.11+, make and git, and set everything else up themselves in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install demo test test-slow lint format clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(INSTALLED)

demo: install
	$(BIN)/python scripts/demo.py

test: install
	$(BIN)/pytest --numprocesses 2 --dist loadfile -m "not slow"

test-slow: install
	$(BIN)/pytest --numprocesses 2 --dist loadfile -m slow

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) runs build dist
