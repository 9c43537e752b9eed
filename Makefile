# Two commands do all the set-up: `make demo` and `make test`. Each makes .venv itself and can be run again at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VIDEOS ?=
OUT ?= demo-report
ROUNDS ?= 4

.PHONY: setup demo test e2e chaos check fmt bench up clean

setup: $(STAMP)

$(STAMP): pyproject.toml client/pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("Python >= 3.11 is needed") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable client --editable ".[dev]"
	touch $(STAMP)

demo: setup
	$(BIN)/pfa demo --out $(OUT) $(if $(VIDEOS),--videos $(VIDEOS))

test: setup
	$(BIN)/python -m pytest tests/unit tests/integration

e2e: setup
	$(BIN)/python -m pytest tests/e2e

chaos: setup
	PFA_CHAOS_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest tests/chaos

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m benchmarks

up: setup
	$(BIN)/pfa up

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
