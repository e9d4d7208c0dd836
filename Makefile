# Needs: Python 3.11 or later with `venv`, make, git, and a package registry that pip can reach.
# Every path is relative, so that a checkout may lie anywhere (blanks in its path too).

UV_VERSION := 0.13.9
PYTHON ?=
BIN := .venv/bin
STAMP := .venv/complete
export m

# Where byte code is not to be written beside the sources it is kept in the venv: else each program
# that is started here compiles all it imports.
ifdef PYTHONDONTWRITEBYTECODE
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/bytecode
endif

.DEFAULT_GOAL := setup
.PHONY: run setup fmt check test openapi migration bench check-ops nightly torture lock

run: setup ## service with an embedded database and a sample ledger, until Ctrl-C
	@exec $(BIN)/aval run

setup: $(STAMP) ## .venv from the lock file; nothing to do when it is there

# The stamp says where the venv was made: one that was copied along would run the old place's code.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

$(STAMP): requirements.lock pyproject.toml Makefile
	@set -eu; \
	made=$$(cat $(STAMP) 2>/dev/null || true); \
	rm -f $(STAMP); \
	if [ "$$made" != "$(CURDIR)" ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  python=; \
	  for candidate in $(if $(PYTHON),"$(PYTHON)",python3.11 python3.12 python3.13 python3.14 python3); do \
	    if "$$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' \
	      >/dev/null 2>&1; then python="$$candidate"; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo "make setup: no Python 3.11 or later with the venv module was found" \
	      "($$(python3 --version 2>&1)); name one: make setup PYTHON=/path/to/python3.11" >&2; \
	    exit 1; \
	  fi; \
	  echo "making .venv with $$("$$python" --version)"; \
	  "$$python" -m venv --clear .venv; \
	fi; \
	pip() { $(BIN)/python -m pip --disable-pip-version-check "$$@"; }; \
	uv() { $(BIN)/python -m uv --no-config "$$@"; }; \
	pip install --quiet --only-binary uv "uv==$(UV_VERSION)"; \
	index=$$(pip config get :env:.index-url 2>/dev/null || pip config get global.index-url 2>/dev/null \
	  || true); \
	if [ -n "$$index" ] && [ -z "$${UV_DEFAULT_INDEX:-}$${UV_INDEX_URL:-}" ]; then \
	  export UV_DEFAULT_INDEX="$$index"; \
	fi; \
	uv pip sync --python $(BIN)/python --require-hashes requirements.lock; \
	uv pip install --quiet --python $(BIN)/python --no-deps --editable .; \
	printf '%s\n' "$(CURDIR)" > $(STAMP)

fmt: setup ## put the code in its one form
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

# All gates run, also after one failed; the tests come last, so that their summary ends the output.
check: setup ## every gate: format, ruff, mypy, import contracts, tests
	@failed=; \
	$(BIN)/ruff format --check || failed="$$failed format"; \
	$(BIN)/ruff check || failed="$$failed ruff"; \
	$(BIN)/mypy || failed="$$failed mypy"; \
	$(BIN)/lint-imports --no-logo || failed="$$failed imports"; \
	if [ -n "$$failed" ]; then echo "failed before the tests:$$failed"; fi; \
	$(BIN)/python -m pytest && [ -z "$$failed" ]

test: setup ## the tests
	@$(BIN)/python -m pytest

openapi: setup ## write openapi.yaml from the code
	@$(BIN)/python -m app.cli.openapi > .venv/openapi.yaml
	@mv .venv/openapi.yaml openapi.yaml

migration: setup ## a new revision: make migration m="verb object"
	@[ -n "$$m" ] || { echo 'usage: make migration m="verb object"' >&2; exit 2; }
	@$(BIN)/alembic revision --message "$$m" --rev-id "$$(date -u +%Y%m%d_%H%M)"

bench: setup ## what is measured, against what; BENCH="--quick" or BENCH="--growth"
	@exec $(BIN)/python -m bench $(BENCH)

check-ops: setup ## tests that need root or other tools; a missing tool fails
	@$(BIN)/python -m pytest -m ops --numprocesses=0

nightly: setup ## tests that take minutes
	@$(BIN)/python -m pytest -m nightly --timeout=3600

torture: setup ## random faults under load, from a printed seed: make torture MINUTES=30 SEED=1
	@exec $(BIN)/python -m tests.torture --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED))

lock: setup ## pin again; LOCK="--upgrade" or LOCK="--upgrade-package NAME" moves versions
	@$(BIN)/python -m uv pip compile --universal --python-version 3.11 --group dev --all-extras --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url $(LOCK) pyproject.toml -o requirements.lock
