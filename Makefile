# make demo: set up and build the digits network. make test: set up and run the tests.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.setup-done
# One test process a core; the simulations inside take one core each.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# All tests take about 10 minutes on two idle cores. What a loaded machine has not begun by then, it leaves out, and
# says so; quick tests come first.
TEST_MINUTES ?= 20
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

.PHONY: help setup demo test test-all lint bench clean

help:
	@echo 'make demo   set up, then build, check and simulate flows/digits_mlp'
	@echo 'make test   set up, then run the tests, all that begin within TEST_MINUTES=$(TEST_MINUTES)'
	@echo 'make test-all  the same without a limit'
	@echo 'make lint   set up, then ruff and mypy'
	@echo 'make bench  set up, then measure the tables of benchmarks/'
	@echo 'make setup  only set up; make clean removes .venv and build'

setup: $(SETUP)

$(SETUP): scripts/setup.sh pyproject.toml constraints.txt
	@scripts/setup.sh
	@touch $@

demo: setup
	$(BIN)/nngen build flows/digits_mlp/spec.yaml --out build/digits_mlp

test: setup
	NNGEN_TEST_MINUTES=$(TEST_MINUTES) $(PYTEST)

test-all: setup
	$(PYTEST)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup
	@failed=""; for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python "$$file" \
	  || failed="$$failed $$file"; done; [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

clean:
	rm -rf $(VENV) build
