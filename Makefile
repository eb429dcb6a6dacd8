# make demo    set-up, then the main job: real inference with the built-in reasoner, curves on screen and in report.html
# make test    set-up with the development extras, then all tests
# make test-train  the same environment with PyTorch and TRL, then the tests of training (make test skips them)
# make check   lint, types, layers, docs, and the wheel in a clean environment
# make install the set-up alone, with the development extras

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SMOKE := build/smoke
TRAINING = $(shell grep -lE 'importorskip."(torch|datasets)"' tests/*.py)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo install test test-train check lint types layers docs wheel clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.ponder
	$(BIN)/ponder demo

install: $(VENV)/.dev

test: $(VENV)/.dev
	$(BIN)/python -m pytest

test-train: $(VENV)/.train
	$(BIN)/python -m pytest $(TRAINING)

check: lint types layers docs wheel

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/python -m pytest tests/test_layers.py

docs: $(VENV)/.dev
	$(BIN)/python -m pytest tests/test_docs.py

wheel: $(VENV)/.dev
	rm -rf $(SMOKE) && mkdir -p $(SMOKE)
	$(BIN)/python -m build --wheel --outdir $(SMOKE) .
	$(BIN)/python -m venv $(SMOKE)/venv
	$(SMOKE)/venv/bin/pip install --quiet $(SMOKE)/*.whl
	cd / && $(CURDIR)/$(SMOKE)/venv/bin/ponder solve "Use 3 7 8 8 to make 24" -n 64
	cd / && $(CURDIR)/$(SMOKE)/venv/bin/ponder strategies

clean:
	rm -rf $(VENV) build dist report*.html report*.svg report*.png

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ponder needs Python 3.11 or newer; choose one with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "making a virtual environment failed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

# Second runs skip the set-up: a stamp is newer than pyproject.toml once what it names is installed.
$(VENV)/.ponder: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/.ponder

# PyTorch first and alone, so that a pip configuration that offers its CPU build decides which one is taken.
$(VENV)/.train: pyproject.toml $(VENV)/.dev
	$(BIN)/pip install --quiet "torch==2.13.0"
	$(BIN)/pip install --quiet --editable ".[dev,train]"
	touch $@ $(VENV)/.dev $(VENV)/.ponder
