# make run     start the services of services.d under asyncinit (ctrl-C stops them)
# make test    run all tests that this machine can run
# make check   ruff and mypy
# make bench   measure start, list, stop and memory against the number of services
# make clean   remove what the others made
#
# Needs python3 (3.11 or newer) with its venv module, and the package index the first time. Everything is installed
# into .venv, and again only when pyproject.toml has changed.

PYTHON ?= python3
JOBS ?= auto
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
# The version is part of the stamps' names: an environment of another Python is not current.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
STAMP := $(VENV)/installed-$(VERSION)

.PHONY: help run test check bench clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run: $(STAMP)-run
	@exec $(BIN)/python -m asyncinit run --unshare --services services.d $(ARGS)

test: $(STAMP)-test
	@$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

check: $(STAMP)-dev
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: $(STAMP)-test
	@$(BIN)/python -m tests.bench $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call install,EXTRA,STAMPS): a stamp is a copy of the pyproject.toml that it was installed from, so that a checkout
# that only changes its time asks no network. A larger set of packages leaves the smaller sets' stamps too.
define install
@if cmp -s pyproject.toml $@; then touch $@; else set -e; \
  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    || { echo 'make: asyncinit needs Python 3.11 or newer as $(PYTHON); name another: make PYTHON=/usr/bin/python3.12 ...' >&2; exit 1; }; \
  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
    || { echo 'make: $(PYTHON) cannot make a virtual environment here; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }; \
  $(BIN)/python -m pip --version >/dev/null 2>&1 || { echo 'make: making $(VENV)'; $(PYTHON) -m venv --clear $(VENV); }; \
  echo 'make: installing asyncinit$(1) into $(VENV)'; \
  $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(1)' \
    || { echo 'make: cannot install into $(VENV); see above (is the package index reachable?)' >&2; exit 1; }; \
  for stamp in $(2); do cp pyproject.toml $(STAMP)-$$stamp; done; \
fi
endef

$(STAMP)-run: pyproject.toml
	$(call install,,run)

$(STAMP)-test: pyproject.toml
	$(call install,[test],run test)

$(STAMP)-dev: pyproject.toml
	$(call install,[dev],run test dev)
