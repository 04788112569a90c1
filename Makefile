# Two commands on a fresh machine with git, make and Python 3.11-3.13: `make run`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

.PHONY: run test profile constraints clean

run: $(VENV)/ready
	$(BIN)/tamis run raw curated

test: $(VENV)/consumers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Where the CPU time of a run goes, into docs/performance.md.
profile: $(VENV)/ready
	$(BIN)/python benchmarks/profiling.py

# Every version is pinned in constraints.txt: an unpinned Prefect does not start (see docs/decisions.md).
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), "Tamis needs Python 3.11 to 3.13: make PYTHON=python3.12 …"'
ifdef UV
	uv venv --quiet --allow-existing --no-python-downloads --python $(PYTHON) $(VENV)
	uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraints constraints.txt --editable '.[fasttext,html,warc]' --group dev
else
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fasttext,html,warc]' --group dev
endif
	touch $@

# What datasets are read with, for the tests alone.
$(VENV)/consumers: $(VENV)/ready
ifdef UV
	uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraints constraints.txt --group consumers
else
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group consumers
endif
	touch $@

# All versions anew, for every supported Python and platform: no index addresses, so no uv.lock.
constraints: pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-emit-index-url --no-annotate --no-header \
		pyproject.toml --all-extras --group dev --group consumers --output-file constraints.txt

clean:
	rm -rf $(VENV) curated
