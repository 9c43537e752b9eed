# Two commands do all the set-up: `make demo` and `make test`. Each makes .venv itself and can be run again at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VIDEOS ?=
OUT ?= demo-report
ROUNDS ?= 4
TEST_PROCESSES ?= 2

.PHONY: setup demo test e2e chaos stack audit check fmt bench docs docs-serve up lock image clean

setup: $(STAMP)

# Without warnings: setuptools has a long one about editable installations, which tells a newcomer nothing.
$(STAMP): pyproject.toml client/pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("Python >= 3.11 is needed") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint requirements.lock --editable client --editable ".[dev]"
	touch $(STAMP)

demo: setup
	$(BIN)/pfa demo --out $(OUT) $(if $(VIDEOS),--videos $(VIDEOS))

test: setup
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile tests/unit tests/integration

e2e: setup
	$(BIN)/python -m pytest tests/e2e

chaos: setup
	PFA_CHAOS_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest tests/chaos

# In Docker: the containers of docker-compose.yml, from nothing, with crashes. Takes some minutes.
stack: setup
	$(BIN)/python -m pytest tests/stack

# Needs a network: asks the advisory database about every pinned package. Not part of `check`, which needs none.
audit: setup
	test -x build/audit/bin/pip-audit || ($(PYTHON) -m venv build/audit && build/audit/bin/pip install --quiet 'pip-audit>=2.9,<3')
	build/audit/bin/pip-audit --requirement docker/requirements.lock --disable-pip --require-hashes
	build/audit/bin/pip-audit --requirement requirements.lock --disable-pip --no-deps

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

# The documentation, in build/docs/site; needs no network. The variable silences a notice, see ADR 23.
docs: setup
	$(BIN)/python -m docs.generate build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file build/docs/mkdocs.yml

docs-serve: docs
	$(BIN)/python -m http.server --directory build/docs/site --bind 127.0.0.1 8080

# Renews the pinned versions: of everything for development, and with hashes for the image. As with `make test`, pip's
# settings decide whether torch comes as a CPU wheel.
UV := build/lock/bin/uv
COMPILE := $(UV) pip compile --quiet --no-header --no-annotate --python-version 3.11 --override build/lock/ours.txt \
  --no-emit-package torch --no-emit-package pfa-client $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS))
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet uv==0.13.9
	rm -f docker/requirements.lock docker/sbom.lock  # uv would keep the hashes that are there
	echo 'pfa-client @ file://$(CURDIR)/client' > build/lock/ours.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --all-extras pyproject.toml --output-file requirements.lock
	$(COMPILE) --generate-hashes --constraint requirements.lock --extra postgres --extra s3 --extra traces pyproject.toml \
	  --output-file docker/requirements.lock
	echo 'cyclonedx-bom==7.5.0' | $(COMPILE) --generate-hashes - --output-file docker/sbom.lock

image:
	docker build --file docker/Dockerfile --tag pfa:local --build-arg REVISION=$$(git rev-parse HEAD) .

up: setup
	$(BIN)/pfa up

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
