# Perfect the Look: every target does its own set-up; `make help` lists them.

# The first that is installed. Choose another with:  make setup PYTHON=...
PYTHON ?= $(firstword $(foreach each,python3.11 python3.12 python3.13,$(shell command -v $(each))) python3)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp
DEMO := .venv-demo
DEMO_STAMP := $(DEMO)/.setup-stamp
# A real Milvus server for the tests, in an environment of its own: its package needs an old setuptools.
MILVUS := .venv-milvus
MILVUS_STAMP := $(MILVUS)/.setup-stamp
# PyTorch's default wheel for Linux brings several gigabytes of CUDA. For the CPU build, give pip the CPU channel
# that https://pytorch.org/get-started/locally/ names:  make setup PIP_INSTALL_ARGS="--extra-index-url CHANNEL"
PIP_INSTALL_ARGS ?=

# Real photos for tests, benchmarks and the demo; everything else works without them.
ifneq ($(wildcard ../shared/data),)
PERFECTLOOK_DATA ?= $(abspath ../shared/data)
export PERFECTLOOK_DATA
endif

# Debian's Python can make an environment without pip. Every later step would then fail.
define environment
@$(1)/bin/python -m pip --version >/dev/null 2>&1 || { rm -rf $(1); \
  $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
  || { echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13. Name one of them:  make PYTHON=python3.11 ..." >&2; exit 1; }; \
  $(PYTHON) -m venv $(1) \
  || { rm -rf $(1); echo "The environment cannot be made. On Debian, install it with:  apt-get install python3-venv" >&2; exit 1; }; }
endef

.DEFAULT_GOAL := help
.PHONY: help setup setup-demo setup-milvus demo test test-long check format docs docs-pages docs-check bench bench-quick models results clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) setup-milvus ## build .venv with everything: base, train, openvino, dev, docs

$(STAMP): pyproject.toml packages/perfectlook-dinov2/pyproject.toml
	$(call environment,$(VENV))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_INSTALL_ARGS) -e '.[train,openvino,dev,docs]' \
	  -e packages/perfectlook-dinov2
	touch $@

# Without the server (another platform, no network), its tests are skipped, so this never fails.
setup-milvus: ## build .venv-milvus with the Milvus server for the tests (Linux on x86-64)
ifeq ($(shell uname -sm),Linux x86_64)
	@test -e $(MILVUS_STAMP) || { rm -rf $(MILVUS); $(PYTHON) -m venv $(MILVUS) \
	  && $(MILVUS)/bin/python -m pip install --quiet --disable-pip-version-check 'setuptools<81' milvus==2.3.5 \
	  && touch $(MILVUS_STAMP); } || echo "The Milvus server cannot be installed, so its tests are skipped." >&2
endif

setup-demo: $(DEMO_STAMP) ## build .venv-demo with the base install alone (no torch)

$(DEMO_STAMP): pyproject.toml
	$(call environment,$(DEMO))
	$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_INSTALL_ARGS) -e .
	touch $@

demo: $(DEMO_STAMP) ## open the page with the showroom that comes with the package
	$(DEMO)/bin/perfectlook demo

test: setup ## run the test suite
	$(BIN)/python -m pytest -n 2 -m "not long"

test-long: setup bench-quick ## run the suite with the full counts, and every benchmark briefly
	$(BIN)/python -m pytest -n 2

check: setup ## lint, format, types and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/codespell

format: setup ## format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs-pages: setup ## write the generated pages of the documentation
	PYTHONPATH=tools $(BIN)/python -m documentation

docs-check: setup ## name the generated pages that are not current
	PYTHONPATH=tools $(BIN)/python -m documentation --check

docs: setup ## build the documentation's site; open out/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "out/site/index.html"

bench: setup ## run the benchmarks; figures in out/
	mkdir -p out
	$(BIN)/python benchmarks/extract.py --json out/extract.json
	$(BIN)/python benchmarks/train.py --json out/train.json
	$(BIN)/python benchmarks/search.py --json out/search.json

bench-quick: setup ## run every benchmark on a few drawn items, to see that they run
	for each in backbones cluster extract page search serve sync train; do $(BIN)/python benchmarks/$$each.py --quick || exit 1; done

models: setup ## make, measure and describe the models that come with the package (needs ccp-looks; measures on the others)
	PYTHONPATH=research $(BIN)/python tools/shipped.py

results: setup ## train and compare every variant and baseline on the three sets; docs/results.md (resumable)
	$(BIN)/python tools/results.py

clean: ## remove what the other targets made
	rm -rf $(VENV) $(DEMO) $(MILVUS) out build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
