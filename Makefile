# make run   everything on this machine, from an empty clone to a live stream
# make test  the whole test suite, from an empty clone
# make bench what can run the model here, compared (BENCH="--checkpoint FOLDER" for one of yours),
#            and how fast one scorer stores posts, and how late
# Options: REPLAY=posts.jsonl TRACK="some topic" PYTHON=python3.12 PYTEST="-k stream" WORKERS=4

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
TORCH ?= torch==2.13.0
export REPLAY TRACK
PYTEST ?=
WORKERS ?= 2
# Ask each candidate: a version manager's shim may be there and answer nothing.
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null \
	&& echo $$p && break; done)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock

.DEFAULT_GOAL := help
.PHONY: help run test bench lint format lock browser clean

help:
	@sed -n '1,5s/^# //p' Makefile

run: $(VENV)/.run
	@BAROMETER_REPLAY="$${REPLAY:-$$BAROMETER_REPLAY}" $(BIN)/barometer up $${TRACK:+--track "$$TRACK"}

# What fails beside another worker is tried once more with nothing beside it, and both runs are
# printed: passing then, it minds a busy machine and wants mending.
test: $(VENV)/.test
	@$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder -m "not alone" $(PYTEST) || \
		case $$? in \
			1) $(BIN)/python -m pytest -m "not alone" --last-failed --last-failed-no-failures none $(PYTEST) ;; \
			5) ;; \
			*) exit 1 ;; \
		esac
	@$(BIN)/python -m pytest -m alone $(PYTEST) || [ $$? -eq 5 ]

bench: $(VENV)/.run
	@$(BIN)/barometer bench backends $(BENCH)
	@$(BIN)/barometer bench pipeline

lint: $(VENV)/.test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.test
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# Chromium for the dashboard's tests; they are skipped, and say so, without one.
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; }

# The pins of everything but torch, whose build is the machine's choice.
lock:
	@{ echo "# Made by 'make lock'. torch stands in pyproject.toml: its build depends on the machine."; \
		$(BIN)/python -m pip freeze --exclude-editable | grep -v -i -E '^(torch|triton|nvidia-)' ; } > requirements.lock

clean:
	@rm -rf $(VENV) .barometer .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or 3.12 is needed; set PYTHON to one." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml requirements.lock
	@echo "Installing Barometer, once; this takes a few minutes ..."
	@$(PIP) -e '.[ops]'
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml requirements.lock
	@echo "Installing Barometer with its training and test tools, once; this takes some minutes ..."
	@$(PIP) '$(TORCH)'
	@$(PIP) -e '.[ops,train,dev]'
	@touch $@
