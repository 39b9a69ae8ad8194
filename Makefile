# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
BIN = .venv/bin
EXTRAS = diffusers
# Python compiles what it imports, and keeps it: of the thousands of modules that are installed, most never are imported.
# Where it may not keep that, each process that loads torch and Diffusers compiles for ten seconds.
unexport PYTHONDONTWRITEBYTECODE
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt
# `worksteal` keeps the tests of a file together for as long as all workers have work: expensive fixtures are made once.
PYTEST = $(BIN)/python -m pytest --dist worksteal --durations 25
# The heavy tests wait for browsers, servers and processes of their own a third of the time, so a third worker finds a core.
QUICK = $(PYTEST) --numprocesses 2 --tier quick
HEAVY = $(PYTEST) --numprocesses 3 --tier heavy
MEASURED = analysis pictures store study

.PHONY: demo original test quick coverage heavy check style types contracts scripts campaign bench docs site clean

demo: .venv/.installed  ## 432 images of the embedded model and what they say: about two minutes after the set-up
	$(BIN)/teststrip run examples/demo.toml

original: .venv/.installed  ## the study this project began with, 480 images of up to 200 steps: about eight minutes
	$(BIN)/teststrip run examples/guidance_vs_steps.toml

test: coverage heavy  ## all tests, browser included, each once

quick: .venv/.installed-quick  ## tests without torch, browser and processes: a minute
	$(QUICK)

coverage: .venv/.installed-quick  ## the quick tests, and how much of four rooms they run, branches included
	$(QUICK) --cov --cov-report=
	set -e; for room in $(MEASURED); do $(BIN)/coverage report --fail-under 90 --include "*/teststrip/$$room/*"; done

heavy: .venv/.installed-dev .venv/.browsers  ## the other tests
	$(HEAVY)

check: style types contracts scripts  ## style, types, import contracts, the page's scripts; `make -j2 check` takes two cores

style: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev
	$(BIN)/mypy

contracts: .venv/.installed-dev
	$(BIN)/lint-imports

scripts:
	@command -v npm >/dev/null || { echo "no npm here: the page's scripts are not checked"; exit 0; }; \
	npm install --no-audit --no-fund --silent && npm run --silent check

campaign: .venv/.installed-dev  ## long kill tests, all hostile folders, simulations, random examples, lowest versions, newer Pythons
	$(BIN)/python -m pytest -m slow --durations 25
	$(QUICK) --hypothesis-profile campaign
	$(BIN)/python -m bench.calibration
	$(BIN)/python -m bench.verdicts
	$(BIN)/python -m bench.votes
	$(BIN)/python -m tools.environments

bench: .venv/.installed-dev  ## side-by-side timings, written to bench/results
	$(BIN)/python -m bench

docs: .venv/.installed-dev  ## regenerate what is generated
	$(BIN)/python -m teststrip.study reference > docs/study-file.md
	$(BIN)/python -m teststrip.study tools > docs/other-tools.md
	$(BIN)/python -m teststrip.metrics > docs/metrics.md
	$(BIN)/python -m tools.floor_plan
	$(BIN)/python -m tools.decisions
	$(BIN)/python -m tools.settings

site: .venv/.installed-dev  ## the documentation as a site, in build/site; a dead link fails it (so never --quiet: that hides them)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[$(EXTRAS)]'
	touch $@

.venv/.installed-quick: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[parquet,test]'
	touch $@

# imagen-pytorch comes without its dependencies: the torchvision that they bring breaks transformers.
.venv/.installed-dev: .venv/.installed
	$(PIP) --editable '.[$(EXTRAS),openvino,parquet,dev]'
	$(PIP) --no-deps imagen-pytorch einops beartype kornia kornia_rs
	$(BIN)/python -W ignore -m compileall -q $$(ls -d .venv/lib/python3*/site-packages/torchao) # warns while it is compiled
	touch $@

# Browser tests use Debian's chromium and firefox-esr; any chromium, chrome or firefox on the PATH will do.
.venv/.browsers: .venv/bin/python
	command -v chromium chromium-browser google-chrome >/dev/null || (apt-get update -qq && apt-get install -y -qq chromium)
	command -v firefox-esr firefox >/dev/null || (apt-get update -qq && apt-get install -y -qq firefox-esr) || echo "no Firefox: its test is left out"
	touch $@

clean:
	rm -rf .venv runs screenshots
