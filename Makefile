# The map of the work. `make help` lists the targets.

# DATA: a folder or zip of Kaggle's files, or the word kaggle; empty: the sample applicants.
# HOME_CREDIT_DATA in the environment does the same.
DATA ?= $(HOME_CREDIT_DATA)
# The sample's size and seed, and the servers' ports.
APPLICANTS ?= 10000
SEED ?= 0
PORT ?= 8000
DASHBOARD_PORT ?= 8501

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Compiled once, imported many times.
unexport PYTHONDONTWRITEBYTECODE
# OpenMP's threads spin while they wait, which on a busy machine costs many times the work.
export OMP_WAIT_POLICY := passive
export PORT DASHBOARD_PORT

# The first of these that is one of TAKEN and can make a .venv; a shim of pyenv may only say no.
TAKEN := 3.11, 3.12 or 3.13
FITS := import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
  "$$name" -c '$(FITS)' 2>/dev/null && echo "$$name" && break; done)
BIN := .venv/bin
# Scripts hold the path of the .venv that they were made in: of one that was moved or copied, or of
# another Python than is taken or asked for, nothing is kept.
ASKED := $(filter command line,$(origin PYTHON))
MADE_HERE := $(shell test -x $(BIN)/python && $(BIN)/python -c '$(FITS)' 2>/dev/null && \
  grep -sqF "$(CURDIR)/$(BIN)/" $(BIN)/pip && \
  { test -z "$(ASKED)" || test "$$($(BIN)/python -V)" = "$$("$(PYTHON)" -V)"; } && echo yes)
UV := $(BIN)/uv
STAMPS := data/.stamps
INSTALLED := .venv/.installed
LIBRARY := $(shell find scoring -name '*.py' -o -name '*.json' -o -name '*.toml' -o -name '*.jinja')
NOTEBOOKS := 01_preprocessing 02_modelling 03_drift

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  DATA=FOLDER uses Kaggle's files instead of the sample applicants (make run DATA=...)"

.PHONY: run
run: pipeline ## install, prepare, train, report, then serve API and page
	@exec $(BIN)/python -m scoring serve

.PHONY: serve
serve: $(INSTALLED) ## start the API and the Streamlit page on what is there
	@exec $(BIN)/python -m scoring serve

.PHONY: pipeline
pipeline: given $(STAMPS)/overview $(STAMPS)/examples $(STAMPS)/online ## everything but the servers

.PHONY: install
install: $(INSTALLED) ## create .venv and install the locked packages

$(INSTALLED): requirements.txt pyproject.toml $(if $(filter yes,$(MADE_HERE)),,FORCE)
ifneq ($(MADE_HERE),yes)
	@"$(PYTHON)" -c '$(FITS)' 2>/dev/null || { echo "Python $(TAKEN) with venv is needed (Debian, \
	Ubuntu: apt install python3-venv), not '$(PYTHON)': make $(MAKECMDGOALS) PYTHON=/its/path" >&2; exit 1; }
	@test ! -e .venv || echo "making .venv anew: it is of another Python than $(or $(if $(ASKED),$(PYTHON)),$(TAKEN)), or was made elsewhere"
	@rm -rf .venv
	@"$(PYTHON)" -m venv .venv
endif
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --require-hashes \
	  --requirement <(sed -n '/^uv==/,/[^\\]$$/p' requirements.txt)
	@echo "installing the locked packages into .venv"
	@VIRTUAL_ENV=.venv $(UV) pip sync --quiet --require-hashes requirements.txt
	@VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch -r "$$(ls -t requirements.txt pyproject.toml | head -1)" $@  # else a moved .venv runs all anew

# What the tables are made of. It is noted once they are there: a DATA that cannot be read leaves
# both as they were.
CHOICE := DATA=$(DATA) APPLICANTS=$(APPLICANTS) SEED=$(SEED)
CHANGED = $(shell test "$$(cat $(STAMPS)/source 2>&1)" = "$(CHOICE)" || echo choice; \
  test -z "$(DATA)" || find -L "$(DATA)" -maxdepth 1 -newer $(STAMPS)/tables 2>/dev/null)

.PHONY: FORCE given
given:
	@test -z "$(DATA)" -o "$(DATA)" = kaggle -o -e "$(DATA)" || { echo "DATA=$(DATA) (or \
	HOME_CREDIT_DATA): there is no such folder or file; nothing was changed" >&2; exit 1; }

$(STAMPS)/tables: $(INSTALLED) $(LIBRARY) $(if $(CHANGED),FORCE) | given
ifeq ($(DATA),)
	$(BIN)/python -m scoring sample --applicants $(APPLICANTS) --seed $(SEED) --out data/tables
else
	$(BIN)/python -m scoring ingest "$(DATA)" --out data/tables
endif
	@mkdir -p $(STAMPS)
	@echo "$(CHOICE)" > $(STAMPS)/source
	@touch $@

$(STAMPS)/01_preprocessing: $(STAMPS)/tables
$(STAMPS)/02_modelling: $(STAMPS)/01_preprocessing
$(STAMPS)/03_drift: $(STAMPS)/02_modelling

$(NOTEBOOKS:%=$(STAMPS)/%): $(STAMPS)/%: notebooks/%.ipynb
	$(BIN)/python -m scoring notebook notebooks/$*.ipynb --out reports/notebooks/$*.ipynb
	@touch $@

$(STAMPS)/overview: $(STAMPS)/03_drift
	$(BIN)/python -m scoring overview
	@touch $@

$(STAMPS)/examples: $(STAMPS)/tables
	$(BIN)/python -m scoring examples data/tables --out data/examples
	@touch $@

$(STAMPS)/online: $(STAMPS)/tables
	$(BIN)/python -m scoring materialize data/tables
	@touch $@

.PHONY: test
test: $(INSTALLED) ## install what is needed and run the tests of the parts
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: test-system
test-system: $(INSTALLED) ## tests of whole servers, browsers, other Pythons, what is killed or frozen
	@$(BIN)/python -m pytest -m "system and not slow" --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: fuzz
fuzz: $(INSTALLED) ## spoil files at random, 2,000 times: read alike, or refused in words
	@$(BIN)/python -m pytest tests/scoring/data/test_spoiling.py -m slow --numprocesses 2

.PHONY: screenshots
screenshots: $(INSTALLED) ## use the page in a browser and keep its pictures in reports/screenshots
	@mkdir -p reports/screenshots
	@SCREENSHOTS=reports/screenshots $(BIN)/python -m pytest tests/dashboard/test_journeys.py -m "slow or not slow"

.PHONY: presentation
presentation: $(STAMPS)/overview ## slides of the talk, from the last run, into reports/presentation.pptx
	@$(BIN)/python -m presentation slides --author "$(strip $(FIRST) $(NAME))"

ifneq ($(filter deliverables,$(MAKECMDGOALS)),)
$(foreach word,NAME FIRST DATE,$(if $($(word)),,$(error $(word) is missing: \
make deliverables NAME=Dupont FIRST=Jean DATE=012027)))
endif

.PHONY: deliverables
deliverables: presentation ## the course's six files: make deliverables NAME=Dupont FIRST=Jean DATE=012027
	@$(BIN)/python -m presentation deliverables --name "$(NAME)" --first "$(FIRST)" \
	  --date "$(DATE)" --api "$(API)"

.PHONY: lint
lint: $(INSTALLED) ## ruff, mypy, the arrows between rooms and the workflows' schema
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

.PHONY: mlflow
mlflow: $(INSTALLED) ## MLflow's page on the tracked runs and registered models
	@mkdir -p mlruns
	@# Runs of a folder that was moved are mended here: MLflow's server knows nothing of it.
	@$(BIN)/python -c 'from pathlib import Path; from scoring.registry.mlflow_registry import Registry; \
	  print("http://127.0.0.1:$(or $(MLFLOW_PORT),5000)/" + Registry(Path("mlruns")).page())'
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
	  exec $(BIN)/mlflow server --backend-store-uri sqlite:///mlruns/mlflow.db \
	  --artifacts-destination mlruns/artifacts --host 127.0.0.1 --port $(or $(MLFLOW_PORT),5000)

ifneq ($(and $(DATA),$(filter notebooks,$(MAKECMDGOALS))),)
$(error notebooks/ keeps outputs of the sample applicants only: leave DATA out)
endif

.PHONY: notebooks
notebooks: $(STAMPS)/tables ## run the notebooks on the sample and keep their outputs in notebooks/
	@for name in $(NOTEBOOKS); do \
	  $(BIN)/jupytext --to ipynb --quiet notebooks/$$name.py; \
	  $(BIN)/python -m scoring notebook notebooks/$$name.ipynb \
	    --out reports/notebooks/$$name.ipynb --keep; \
	done

.PHONY: bundle
bundle: $(STAMPS)/02_modelling ## gather what the deployed API runs; DEMONSTRATION=true: sample's model
	@$(BIN)/python -m scoring bundle --out build/bundle \
	  $(if $(filter true,$(DEMONSTRATION)),--demonstration)

.PHONY: bench
bench: $(STAMPS)/02_modelling ## measure the API against a bare Flask echo into reports/benchmarks.md
	@$(BIN)/python -m bench

SIZES ?= 25000 50000 100000 200000 400000 1000000

.PHONY: bench-scale
bench-scale: $(STAMPS)/02_modelling ## measure growing numbers of applicants, at most 25 minutes a run: SIZES="..."
	@$(BIN)/python -m bench.scale run $(SIZES)

.PHONY: lock
lock: $(INSTALLED) ## resolve the packages anew into both requirements files
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --no-header \
	  --generate-hashes pyproject.toml --output-file requirements.txt.partial
	@$(UV) pip compile --quiet --python-version "$$(cat .python-version)" --no-header --generate-hashes \
	  --constraint requirements.txt.partial pyproject.toml --output-file api/requirements.txt.partial
	@(echo "# Made by make lock: everything for notebooks, API and tests, with hashes. The project"; \
	  echo "# itself has none: pip install --no-deps --no-build-isolation --editable . comes after it."; \
	  cat requirements.txt.partial) > requirements.txt
	@(echo "# Made by make lock: what the deployed API needs, with hashes."; \
	  cat api/requirements.txt.partial) > api/requirements.txt
	@rm requirements.txt.partial api/requirements.txt.partial

.PHONY: clean
clean: ## remove what runs left behind, except .venv and the registry in mlruns
	@rm -rf data/tables data/examples data/features.parquet $(STAMPS) reports/notebooks \
	  $(foreach name,drift model_card monitoring retraining simulation,reports/$(name).*) \
	  reports/index.html reports/benchmarks.html

.PHONY: clean-registry
clean-registry: ## remove models, runs, kept data and who promoted what and why: CONFIRM=yes
	@test "$(CONFIRM)" = yes || { echo "mlruns holds every model, the data that it learnt from, and who \
	promoted it and why: make clean-registry CONFIRM=yes removes them for good" >&2; exit 1; }
	@rm -rf mlruns/*
