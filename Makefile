# Everything that people and CI run. `make conform` and `make test` need only Python 3.11 (or newer) and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
TARGET ?= bundled
PIP := PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip --quiet
# One more than there are cores, because tests of brokers wait for much of their time.
WORKERS = $(shell $(PYTHON) -c 'import os; print(min((os.cpu_count() or 1) + 1, 4))')
TREES := model impl conformance properties docs

.PHONY: help conform test test-real test-deep lint types bench docs clean
.DEFAULT_GOAL := help

help:  ## what there is to run
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit("Tidegauge needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.made pyproject.toml constraints.txt
	@echo "installing Tidegauge into $(VENV)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@echo "installing what the tests need into $(VENV)"
	@$(PIP) install --editable '.[dev,peers]'
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	@$(PIP) install --editable '.[docs]'
	@touch $@

conform: $(VENV)/.base  ## hold a broker to the spec (TARGET=bundled, HOST:PORT, apache-kafka:3.9, ...)
	$(BIN)/tidegauge conform $(TARGET)

test: $(VENV)/.dev  ## unit and conformance tests that need nothing but Python
	$(BIN)/pytest --hypothesis-profile=ci -m "not real and not deep" --numprocesses=$(WORKERS) --dist=worksteal
	@echo "not run here (make test-deep runs them; they take long):"
	@$(BIN)/pytest -m deep --collect-only -q --no-header 2>/dev/null | sed -n 's/^\(.*::.*\)/  \1/p'
	@echo "not run here (make test-real runs them; they need Java, Maven, kcat, npm or a browser):"
	@$(BIN)/pytest -m real --collect-only -q --no-header 2>/dev/null | sed -n 's/^\(.*::.*\)/  \1/p'

test-real: $(VENV)/.dev  ## tests that need Java, Maven, kcat, npm or a browser
	$(BIN)/pytest --hypothesis-profile=ci -m real

test-deep: $(VENV)/.dev  ## what takes too long for `make test`: large state spaces, whole proofs, many examples
	$(BIN)/pytest --hypothesis-profile=deep -m deep

lint: $(VENV)/.dev  ## ruff: rules and format
	$(BIN)/ruff check $(TREES)
	$(BIN)/ruff format --check $(TREES)

types: $(VENV)/.dev  ## mypy, strict, over all trees
	$(BIN)/mypy

bench: $(VENV)/.dev  ## speed of exploration and proof, and of the bundled broker against Apache Kafka in one run
	$(BIN)/python -m properties.benchmarks
	$(BIN)/python -m conformance.benchmarks

docs: $(VENV)/.docs  ## the documentation as a site in site/
	$(BIN)/python -m docs.build

clean:  ## remove what the other targets made
	rm -rf $(VENV) site build dist .hypothesis .pytest_cache .mypy_cache .ruff_cache .tidegauge *.egg-info
	find $(TREES) -name __pycache__ -type d -prune -exec rm -rf {} +
