# make demo: set up and build the digits network. make test: set up and run every test.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.setup-done
# One test process a core; the simulations inside take one core each.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: help setup demo test lint bench clean

help:
	@echo 'make demo   set up, then build, check and simulate flows/digits_mlp'
	@echo 'make test   set up, then run all tests'
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
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup
	@failed=""; for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python "$$file" \
	  || failed="$$failed $$file"; done; [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

clean:
	rm -rf $(VENV) build
