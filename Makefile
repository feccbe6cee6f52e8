# `make demo` and `make test` do all the set-up on a machine with Python 3.11 or newer.
# PYTHON picks the interpreter, SECONDS ends the demo by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := src tests bench examples tools hatch_build.py
# Which tests: `make unit TESTS=tests/test_cli.py`; all of them where it is empty.
TESTS ?=

# Where it is set every process that a test starts would compile all of its libraries again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint types unit matrix constraints faults system page node-packages clients format install clean

demo: $(VENV)/.installed page
	@$(BIN)/stocktrack demo $(if $(SECONDS),--seconds $(SECONDS))

test: lint types unit

lint: $(VENV)/.installed-dev page node-packages
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/python tools/lint_page.py

types: $(VENV)/.installed-dev
	$(BIN)/mypy

unit: $(VENV)/.installed-dev system page node-packages
	$(BIN)/python tools/run_tests.py $(TESTS)

# The tests over each Python from 3.11 to 3.14 that is found here.
matrix: lint types constraints
	$(BIN)/python tools/matrix.py $(TESTS)

# Whether the package index has the pinned versions for each of those Pythons.
constraints: $(VENV)/.installed-dev
	$(BIN)/python tools/check_constraints.py

# Some eleven minutes of killing a server, and a recorder, in the middle of its work.
faults: $(VENV)/.installed-dev
	PYTHONPATH=tests/support $(BIN)/python tests/faults/kill_nine.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/alerts_kill_nine.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/vanished_peer.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/lock_out.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/busy_database.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/stale_identity.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/greedy_user.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/full_shutdown.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/http_pipelining.py "GET /" "WebSocket, pings"
	PYTHONPATH=tests/support $(BIN)/python tests/faults/shut_doors.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/recorder_kill_nine.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/bars_kill_nine.py
	PYTHONPATH=tests/support $(BIN)/python tests/faults/broken_streams.py 10 "close 1000" cut garbage "handshake 200"
	PYTHONPATH=tests/support $(BIN)/python tests/faults/redis_away.py

# What the tests need besides Python, where it can be installed; a test whose program is missing says so itself.
system:
	@tools/install_system.sh

# The page's JavaScript modules, which npm brings, and all of it joined; where it cannot, this says so and goes on.
page: $(VENV)/.installed
	@$(BIN)/python tools/vendor_page.py
	@$(BIN)/python tools/bundle_page.py

# The npm packages of the tests and of the page's linter; where npm cannot bring them, this says so and goes on.
node-packages: $(VENV)/.installed system
	@$(BIN)/python tools/node_packages.py

# Other people's clients, which tests/clients and docs/recipes run unmodified: each in .clients/NAME, in the versions of
# tools/clients/NAME.txt, and those of npm. What cannot be had is said, and is a skip of its tests, or a failure under CI.
clients: $(VENV)/.installed-dev node-packages
	@$(BIN)/python tools/client_environments.py

format: $(VENV)/.installed-dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt src/stocktrack/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit("StockTrack needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@$(PYTHON) tools/set_up.py $(VENV)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PYTHON) tools/set_up.py $(VENV) dev
	@touch $@

clean:
	rm -rf $(VENV) .matrix .clients .mypy_cache .pytest_cache .ruff_cache
