# `make run` and `make test` are all the set-up there is: each creates .venv when it is missing or out of date.
SHELL := /bin/bash
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12) python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXAMPLES := $(VENV)/.examples
# Where torch comes from. On Linux the public default index may offer a CUDA build of several gigabytes:
#   ESPALIER_TORCH_INDEX=https://download.pytorch.org/whl/cpu make run
TORCH_INDEX := $(if $(ESPALIER_TORCH_INDEX),--index-url $(ESPALIER_TORCH_INDEX),)
# Tests run in this many processes, a file in one of them; PROCESSES=0: in one, in order.
PROCESSES ?= 2
PYTEST := python -m pytest -n $(PROCESSES) --dist loadfile

export PATH := $(CURDIR)/$(BIN):$(PATH)
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DVC_NO_ANALYTICS := 1
export ORT_DISABLE_TELEMETRY := 1

.PHONY: run test test-all test-slow check format bench examples examples-small examples-data ui docs screenshots soak help clean

help:        ## what can be made
	@grep -hE '^[a-z-]+: *[^#]*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; about 2 GB on disk with a CPU build of torch)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(TORCH_INDEX) torch
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(EXAMPLES): $(STAMP) examples/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r examples/requirements.txt
	@touch $@

run: $(STAMP) ## the main job: raw rows to a registered compressed model
	@espalier run $(ARGS)

test: $(STAMP) ## the default tests (under 8 minutes on 2 cores)
	@$(PYTEST) -m "not slow and not server" $(ARGS)

test-all: $(STAMP) ## every test, slow and server ones too
	@$(PYTEST) $(ARGS)

test-slow: $(STAMP) ## only the slow and server tests
	@$(PYTEST) --no-loadscope-reorder -m "slow or server" $(ARGS)  # tests/e2e first, and no file of minutes last

check: $(STAMP) ## all that a reviewer would check: lint, format, types, imports, docs
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports
	@python -m tests.check_docs

format: $(STAMP) ## put the code in form
	@ruff check --fix .
	@ruff format .

docs: $(STAMP) ## regenerate what is generated: docs/configuration.md
	@python -m tasks.config > docs/configuration.md

screenshots: $(STAMP) ## pictures of MLflow's and Prefect's pages for the documentation; needs an installed Chromium
	@python -m pytest -m browser tests/tracking/study tests/e2e/test_pages.py
	@python -m tests.figures

soak: $(STAMP) ## kill commands 200 times at random moments and look what is left; ARGS="--kills 20 --seed 3"
	@python -m tests.soak $(ARGS)

bench: $(EXAMPLES) ## measure, and write docs/benchmarks.md, engine.md, study-speed.md, scoring-speed.md, life-speed.md, serving-speed.md and the README table; FRESH=1: hours, all anew
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench,dask]'
	@$(if $(FRESH),rm -f benchmarks/figures/*.json)
	@python -m benchmarks.foundation
	@python -m benchmarks.engine
	@python -m benchmarks.study
	@python -m benchmarks.scoring
	@python -m benchmarks.life
	@python -m benchmarks.serving

examples-data: $(EXAMPLES) ## the data of examples/: three packages, 55 MB, without their dependencies

examples: $(EXAMPLES) ## run and study every example, and write the tables of their READMEs; ARGS="adult text" for some
	@python -m examples $(ARGS)

examples-small: $(EXAMPLES) ## every example at reduced sizes, in a throwaway copy, as CI does
	@python -m pytest tests/e2e/test_examples.py $(ARGS)

ui: $(STAMP) ## MLflow UI and Prefect UI on loopback; addresses printed; Ctrl-C stops both
	@espalier ui

clean:       ## remove what the tools left (never data, models or records)
	@rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
