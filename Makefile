# Perfect the Look: every target does its own set-up; `make help` lists them.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp
DEMO := .venv-demo
DEMO_STAMP := $(DEMO)/.setup-stamp
# PyTorch's default wheel for Linux brings several gigabytes of CUDA. For the CPU build, give pip the CPU channel
# that https://pytorch.org/get-started/locally/ names:  make setup PIP_INSTALL_ARGS="--extra-index-url CHANNEL"
PIP_INSTALL_ARGS ?=

# Real photos for tests, benchmarks and the demo; everything else works without them.
ifneq ($(wildcard ../shared/data),)
PERFECTLOOK_DATA ?= $(abspath ../shared/data)
export PERFECTLOOK_DATA
endif

.DEFAULT_GOAL := help
.PHONY: help setup setup-demo demo test test-long check format docs bench results clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## build .venv with everything: base, train, openvino, dev, docs

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_INSTALL_ARGS) -e '.[train,openvino,dev,docs]'
	touch $@

setup-demo: $(DEMO_STAMP) ## build .venv-demo with the base install alone (no torch)

$(DEMO_STAMP): pyproject.toml
	test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_INSTALL_ARGS) -e .
	touch $@

demo: $(DEMO_STAMP) ## open the page with the showroom that comes with the package
	$(DEMO)/bin/perfectlook demo

test: setup ## run the test suite
	$(BIN)/python -m pytest -n 2 -m "not long"

test-long: setup ## run the suite with the full counts
	$(BIN)/python -m pytest -n 2

check: setup ## lint, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: setup ## format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: setup ## build the documentation's site; open out/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "out/site/index.html"

bench: setup ## run the benchmarks; figures in out/
	mkdir -p out
	$(BIN)/python benchmarks/extract.py --json out/extract.json
	$(BIN)/python benchmarks/train.py --json out/train.json
	$(BIN)/python benchmarks/search.py --json out/search.json

results: setup ## train and compare every variant and baseline on the three sets; docs/results.md (resumable)
	$(BIN)/python tools/results.py

clean: ## remove what the other targets made
	rm -rf $(VENV) $(DEMO) out build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
