# Every target makes .venv ready first (tools/setup.py); a second start costs a tenth of a second.
# PYTHON: the interpreter to build .venv with. ARGS: handed on to the program behind the target.

PYTHON ?= python3
ARGS ?=

.PHONY: help setup run test check storm interop fuzz bench lock clean

help:
	@echo "make run     the sample newsroom on this machine (ARGS=--once: the whole job once)"
	@echo "make test    the tests, on SQLite and PostgreSQL (ARGS='-k feeds')"
	@echo "make check   style, types, floors"
	@echo "make storm   workers killed at 200 points of a send, and two workers on one clock, in full"
	@echo "make interop 500 random newsrooms before other people's readers, 1,000 letters through other people's mail servers"
	@echo "make fuzz    made-up and mutilated feeds at the gate and the parser (ARGS='--minutes 10 --seed 1')"
	@echo "make bench   the figures, beside their peers"
	@echo "make lock    the locks anew (ARGS=--upgrade)"
	@echo "make clean   remove what the tools made, .venv included"

setup:
	@$(PYTHON) tools/setup.py

run: setup
	@.venv/bin/syndicator demo $(ARGS)

test: setup
	@env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m pytest -n 3 $(ARGS)

check: setup
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

storm: setup
	@.venv/bin/python -m tests.storm --store sqlite --policy repeat --workers 1 $(ARGS)
	@.venv/bin/python -m tests.storm --store sqlite --policy hold --workers 1 $(ARGS)
	@.venv/bin/python -m tests.storm --store postgresql --policy repeat --workers 3 $(ARGS)
	@.venv/bin/python -m tests.storm --store postgresql --policy hold --workers 3 $(ARGS)
	@.venv/bin/python -m tests.clockwork --seconds 60

interop: setup
	@.venv/bin/python -m tests.interop.relayed
	@.venv/bin/python -m tests.interop.dkim
	@.venv/bin/python -m tests.interop $(ARGS)

fuzz: setup
	@.venv/bin/python -m tests.fuzz $(ARGS)

bench: setup
	@.venv/bin/python -m bench $(ARGS)

lock:
	@$(PYTHON) tools/setup.py lock $(ARGS)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
