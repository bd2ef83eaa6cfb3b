# The two commands a fresh machine needs are `make demo` and `make test`; each makes its own venv.
# Needs git, Python 3.11 or later and make. Give another interpreter with PYTHON=...

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check -c constraints.txt

DEMO = .venv-demo
TEST = .venv-test
BIN = $(TEST)/bin

# The demo installs a built wheel, as a user would, so it is rebuilt when the source changes.
SOURCES := $(shell find src -type f -not -name '*.pyc')

.PHONY: demo test lint format type test-only bench clean help
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(DEMO)/installed  ## Analyse examples/ with the embedded detector and write demo-report/report.html
	@mkdir -p demo-report
	$(DEMO)/bin/facewitness analyze 'examples/*.jpg' 'examples/*.mp4' --html demo-report/report.html
	@echo "The report with pictures: demo-report/report.html"

test: lint type test-only  ## Everything that CI runs: style, types, whole test suite

lint: $(TEST)/installed  ## Style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(TEST)/installed  ## Put the formatting right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(TEST)/installed  ## Strict type check
	$(BIN)/mypy

test-only: $(TEST)/installed  ## Tests and doctests without style and types
	$(BIN)/python -m pytest -q

bench: $(TEST)/installed  ## Print the benchmark tables (leave the machine otherwise idle)
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/clip.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/network.py
	$(BIN)/python benchmarks/sbi.py
	$(BIN)/python benchmarks/blended.py
	$(BIN)/python benchmarks/neighbours.py
	$(BIN)/python benchmarks/data_loading.py
	$(BIN)/python benchmarks/prepare.py
	$(BIN)/python benchmarks/evaluate.py
	$(BIN)/python benchmarks/install.py

clean:  ## Remove venvs, caches and demo output
	rm -rf $(DEMO) $(TEST) demo-report build dist .mypy_cache .ruff_cache .pytest_cache

$(DEMO)/installed: pyproject.toml constraints.txt $(SOURCES)
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python $(PIP_INSTALL) .
	@touch $@

$(TEST)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(TEST)
	$(BIN)/python $(PIP_INSTALL) -e '.[torch,eval,dev]'
	@touch $@
