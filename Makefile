# The same few names everywhere; CI calls these and nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip install --quiet --constraint constraints.txt
# one more extra for the tests: make test WITH=peers, where cairo's headers are, compares with badcrossbar too
WITH   ?=
EXTRA  := $(WITH:%=,%)

.PHONY: demo test check bench docs firmware clean

demo: $(VENV)/.demo
	$(BIN)/hil demo --out out/demo

test: $(VENV)/.test
	$(BIN)/pytest

check: $(VENV)/.check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

bench: $(VENV)/.bench
	$(BIN)/hil bench

firmware:
	$(MAKE) --no-print-directory -C boards/firmware all OUT=$(CURDIR)/build/firmware

# a stamp and not bin/python, so that an interrupted set-up starts again
$(VENV)/.base:
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt pip setuptools
	touch $@

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/.base
	$(PIP) --editable .
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/.base
	$(PIP) --editable '.[test$(EXTRA)]'
	touch $@ $(VENV)/.demo

$(VENV)/.check: pyproject.toml constraints.txt | $(VENV)/.base
	$(PIP) --editable '.[test,check$(EXTRA)]'
	touch $@ $(VENV)/.test $(VENV)/.demo

docs: $(VENV)/.docs
	$(BIN)/pdoc --docformat google --output-directory out/docs \
	  hil sensors quant emulators boards experiments '!quant.bitlinear' '!hil.sep.events_pb2'

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/.base
	$(PIP) --editable '.[test,docs]'
	touch $@

$(VENV)/.bench: pyproject.toml constraints.txt | $(VENV)/.base
	$(PIP) --editable '.[test,bench]'
	touch $@ $(VENV)/.test $(VENV)/.demo

clean:
	rm -rf $(VENV) out build dist
