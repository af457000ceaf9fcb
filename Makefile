# make demo   the whole loop on real data, from nothing
# make test   all tests
# make bench  the inference server beside a floor and five peers (needs wrk and h2load; 30 minutes)
# make docs   write the generated references and schemas anew
# make check  what CI runs: formatting, lint, types, import contracts, all tests

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 3
# Tests start a thousand programs. Where a machine keeps Python from writing bytecode, compiling them anew takes minutes.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test check lint types bench docs lock clean

demo: $(READY)
	$(BIN)/trimtab demo

# Tests mostly wait for processes: three at a time do well on two cores. Those of one file stay together.
test: $(READY)
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile

check: lint types test

lint: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports --no-cache

types: $(READY)
	$(BIN)/mypy

# The lock file holds hashes and no addresses: packages come from whatever index this machine is set up with.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no CPython 3.11, 3.12 or 3.13 found; install one, or pass PYTHON=/path/to/it"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(READY)

bench: $(READY)
	$(BIN)/python -m bench.serving $(BENCH)

docs: $(READY)
	$(BIN)/python docs/generate.py

lock:
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --extra platform --extra postgres --extra s3 --extra explain --extra signatures --extra reports --group dev \
		--generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
