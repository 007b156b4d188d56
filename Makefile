# Tallystick. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN_COMMAND ?= $(BIN)/tallystick demo demo.tally --force $(ARGS)
# Processes for the full test run: one a core.
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
# What `make test-compiled` runs: all that pins a state root, a receipt or a refusal.
COMPILED_TESTS := tests/ledger tests/contracts tests/attacks tests/log tests/client/test_verifier.py \
	tests/node/test_sequencer.py tests/node/test_snapshot.py tests/node/test_past.py tests/benchmarks
# The one tool outside requirements.lock, because it writes it.
UV_VERSION := 0.13.8
# Bytecode is kept, whatever the caller's habits: without it each process of a test run compiles every test anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test test-slow check bench compiled test-compiled lock docs clean

help: ## list the targets
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## install everything into .venv (nothing to do when it is current)

run: setup ## set up, then make, verify and serve a demonstration ledger (ARGS="--for 60s" ends it)
	$(RUN_COMMAND)

test: setup ## run every test but the slow ones (under 15 minutes)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow"

test-slow: setup ## run the slow tests, with many generated examples each
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m slow --hypothesis-profile=slow

check: setup ## lint, type-check and run the fast tests (under a minute)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow and not long" --hypothesis-profile=check

bench: setup ## list the benchmarks, or run one: make bench NAME=... [ARGS="--json --quick"]
	$(BIN)/python -m benchmarks $(NAME) $(ARGS)

compiled: setup ## compile the kernel into build/compiled (optional, for measuring; needs a C compiler)
	$(BIN)/python -m benchmarks.compiled

test-compiled: compiled ## run the tests of the kernel, the contracts and the log on the compiled form
	PYTHONPATH=build/compiled $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow and not plain" \
		$(COMPILED_TESTS)

lock: ## write requirements.lock anew from pyproject.toml (add ARGS=--upgrade for newer versions)
	@test -x .venv-lock/bin/python || $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	.venv-lock/bin/uv pip compile pyproject.toml --group dev --extra fast --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet --output-file requirements.lock $(ARGS)

docs: setup ## write docs/reference from the program and check that links lead somewhere
	$(BIN)/python -m tallystick.cli.reference docs/reference
	$(BIN)/python -m pytest tests/tidy/test_docs.py

clean: ## remove the environment, caches and everything built
	rm -rf $(VENV) .venv-lock build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@$(ensure_python)
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear $(VENV)
	@echo "setup: installing into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Python with venv and ensurepip: installed by apt where that is possible, else asked for by name. A Python
# that the caller chose is never replaced.
define ensure_python
set -e; \
if ! $(PYTHON) -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	if [ "$(PYTHON)" = python3 ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "setup: installing python3 and python3-venv" >&2; \
		apt-get update -qq >&2; \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv >&2; \
	else \
		echo "setup: $(PYTHON) with its venv module is needed" >&2; \
		echo "hint: on Debian or Ubuntu, sudo apt-get install python3 python3-venv" >&2; \
		exit 1; \
	fi; \
fi; \
if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	echo "setup: Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1)" >&2; \
	echo "hint: name another one, make setup PYTHON=python3.12" >&2; \
	exit 1; \
fi
endef
