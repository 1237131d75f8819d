# goim_edu: every command of the project. `make` alone lists them.
SHELL      := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON     ?= python3
ARGS       ?=
VENV       := .venv
BIN        := $(VENV)/bin
PIP        := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# What the tests import is compiled in memory only: a checkout stays as it was cloned.
export PYTHONDONTWRITEBYTECODE ?= 1
# COMPILED=1 with any target: what `make compiled` has built goes before the source.
ifdef COMPILED
$(if $(wildcard build/compiled),,$(error build/compiled is not there: run make compiled first))
export PYTHONPATH := $(CURDIR)/build/compiled:$(CURDIR)
export PYTHONSAFEPATH := 1
export PYTEST_ADDOPTS := --import-mode=append
endif

.DEFAULT_GOAL := help
.PHONY: help lab wheel test full chaos serve lint notebooks diagrams site lite gallery lock conformance compiled bench bench-protocol bench-server bench-store bench-cluster clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
	    while IFS=$$'\t' read -r name what; do printf '  make %-16s %s\n' "$$name" "$$what"; done

# Three locks: what a learner needs, on top of it what a test needs, and then the peers of the
# benchmarks. A stamp says which is in.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "goim_edu needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "no venv module: on Debian, apt install python3-venv"; rm -rf $(VENV); exit 2; }

$(VENV)/.lab: $(VENV)/bin/python locks/lab.txt pyproject.toml
	@echo "installing goim_edu into $(VENV) (once; a minute or two)"
	@$(PIP) --require-hashes --only-binary :all: -r locks/lab.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.lab locks/test.txt
	@echo "installing the tools that tests need"
	@$(PIP) --require-hashes --only-binary :all: -r locks/test.txt
	@touch $@

# One peer is in the registry as source only; its source is a shared library and Python.
$(VENV)/.bench: $(VENV)/.test locks/bench.txt
	@echo "installing the peers of the benchmarks"
	@$(PIP) --require-hashes --only-binary :all: --no-binary socketify -r locks/bench.txt
	@touch $@

lab: $(VENV)/.lab ## open your copy of the course in JupyterLab (COURSE=DIR FRESH=03 ARGS="--no-browser")
	@$(BIN)/python -m goim_edu lab $(FRESH:%=--fresh %) $(if $(COURSE),--course '$(subst ','\'',$(COURSE))') $(ARGS)

wheel: $(VENV)/.lab ## build the wheel into dist/; the course is in it
	@$(BIN)/python -m hatchling build --target wheel

serve: $(VENV)/.lab ## run the chat server (ARGS="--port 9000 --mongo memory")
	@$(BIN)/python -m goim_edu serve $(ARGS)

test: $(VENV)/.test ## run every test: unit, peers, notebooks, browser
	$(BIN)/python -m pytest -q -n 2 --dist loadscope tests goim_edu --ignore tests/browser $(ARGS)
	$(BIN)/python -m pytest -q -n 2 --dist loadscope --nbval notebooks/
	$(BIN)/python -m pytest -q tests/browser

full: $(VENV)/.test ## what takes longer than CI: all of Autobahn, ten seeds of the nemesis, all kills, the course from a wheel
	$(BIN)/python conformance/run.py
	$(BIN)/python -m tools.nemesis --seeds 1 2 3 4 5 6 7 8 9 10 --seconds 60
	$(BIN)/python -m tools.nemesis --seeds 11 12 13 14 --seconds 60 --targets primary
	$(BIN)/python -m tools.chaos --minutes 2 --seed 1 2
	$(BIN)/python -m tools.chaos --minutes 2 --seed 3 4 --bus
	GOIM_SERVER_KILLS=20 GOIM_FREEZE_SECONDS=20 GOIM_PRIMARY_KILLS=5 \
	    GOIM_SOAK_SECONDS=60 GOIM_SOAK_CLIENTS=500 \
	    $(BIN)/python -m pytest -q --timeout 1200 tests/test_soak.py \
	    tests/peers/test_promises_store.py tests/peers/test_failover.py
	GOIM_EVERY_NOTEBOOK=1 $(BIN)/python -m pytest -q --timeout 600 tests/test_wheel.py

chaos: $(VENV)/.test ## three servers of one chat under all faults (ARGS="--minutes 10 --seed 1 --bus")
	$(BIN)/python -m tools.chaos $(ARGS)

lint: $(VENV)/.test ## ruff and mypy, both strict, and the sizes of modules and functions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tools.sizes

notebooks: $(VENV)/.test ## execute all notebooks anew and normalise them
	$(BIN)/python -m tools.notebooks $(ARGS)
	$(BIN)/python -m tools.appendices
	$(BIN)/python -m tools.diagrams

diagrams: $(VENV)/.test ## draw the imports in docs/architecture.md, and every diagram that is new
	$(BIN)/python -m tools.imports
	$(BIN)/python -m tools.diagrams

site: $(VENV)/.test ## make the site in build/site/: course, documents, API reference (ARGS="--url ...")
	$(BIN)/python -m tools.site $(ARGS)

lite: $(VENV)/.lab ## build the course that runs in a browser, nothing installed: build/lite/
	@$(BIN)/python -m tools.lite $(ARGS)
	@echo "serve it: python3 -m http.server --bind 127.0.0.1 --directory build/lite"

gallery: $(VENV)/.test ## draw every picture and widget into docs/gallery/
	$(BIN)/python -m tools.gallery $(ARGS)

conformance: $(VENV)/.test ## the Autobahn TestSuite against server and client (needs CPython 2.7)
	$(BIN)/python conformance/run.py $(ARGS)

compiled: $(VENV)/.test ## compile the protocol into build/compiled, for COMPILED=1 (ARGS=--test tests both)
	@$(BIN)/python -m tools.compiled $(ARGS)

bench: $(VENV)/.bench ## every benchmark in one run, into docs/benchmarks.md (ARGS=--quick: two minutes)
	$(BIN)/python -m benchmarks.report $(ARGS)

bench-protocol: $(VENV)/.test ## parse, build, mask, handshake, deflate against other libraries
	$(BIN)/python -m benchmarks.protocol $(ARGS)

bench-server: $(VENV)/.bench ## echo, fan-out, handshakes, memory against other servers
	$(BIN)/python -m benchmarks.server $(ARGS)

bench-store: $(VENV)/.test ## group commit, history and indexes on a real mongod
	$(BIN)/python -m benchmarks.store $(ARGS)

bench-cluster: $(VENV)/.test ## several servers: delivery, rates, the cost of following; --sheet computes docs/capacity.md
	$(BIN)/python -m benchmarks.cluster $(ARGS)

lock: $(VENV)/.test ## pin the newest versions anew (ARGS=--keep moves none that is pinned)
	$(BIN)/python tools/lock.py $(ARGS)

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .conformance build dist
