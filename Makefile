# `make demo` and `make test` do all the set-up on a machine with Python 3.11 or newer.
# PYTHON picks the interpreter, SECONDS ends the demo by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := src tests bench tools hatch_build.py
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Where it is set every process that a test starts would compile all of its libraries again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint types unit faults system page page-tools format install clean

demo: $(VENV)/.installed page
	@$(BIN)/stocktrack demo $(if $(SECONDS),--seconds $(SECONDS))

test: lint types unit

lint: $(VENV)/.installed-dev page page-tools
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/python tools/lint_page.py

types: $(VENV)/.installed-dev
	$(BIN)/mypy

unit: $(VENV)/.installed-dev system page
	$(BIN)/python -m pytest -n 4 --dist loadfile

# Some three minutes of killing a server in the middle of its work.
faults: $(VENV)/.installed-dev
	PYTHONPATH=tests/support $(BIN)/python tests/faults/kill_nine.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/vanished_peer.py

# What the tests need besides Python, where it can be installed; a test whose program is missing says so itself.
system:
	@tools/install_system.sh

# The page's JavaScript modules, which npm brings. They came with the installation unless their versions have changed
# since; where there is no npm this says so and goes on.
page: $(VENV)/.installed
	@$(BIN)/python tools/vendor_page.py

# What lints the page's JavaScript, which npm brings as well.
page-tools: $(VENV)/.installed system
	@$(BIN)/python tools/lint_page.py --install

format: $(VENV)/.installed-dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("StockTrack needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@echo "Making the virtual environment in $(VENV) and installing StockTrack (once, about a minute) ..." >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what the tests need ..." >&2
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
