# `make demo` and `make test` need Python 3.11+, make and git, and set everything else up themselves in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
COMPILED := $(VENV)/.compiled

.PHONY: install demo test test-slow lint format clean

install: $(COMPILED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(INSTALLED)

# Kernels compile when they are first needed too, but then in each process of the tests; and Numba would notice a change
# of a function's own file only, not of those that it calls.
$(COMPILED): $(INSTALLED) $(wildcard memagents/kernels/*.py)
	rm -rf memagents/kernels/__pycache__
	$(BIN)/memagents compile --dtypes float32 float64
	touch $(COMPILED)

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
