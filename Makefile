# `make demo` and `make test` do everything on a fresh machine; `make` alone lists the rest.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help setup front demo notebooks test lab lint format docs pictures bench release clean

help:                 ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

setup: .venv/ready front  ## make .venv complete, with the front end in it

# What the demo and the lab need: 2.4 GB, where the tests' environment has 3.5.
.venv/lab: pyproject.toml labextension/package.json
	@command -v node >/dev/null || { echo "Lepton's front end needs Node 20 or later to be built from a git checkout (a released wheel or sdist needs none): apt-get install nodejs, or https://nodejs.org"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lepton needs Python 3.11 or later: make PYTHON=python3.11")'
	@echo "Lepton with TensorFlow goes into .venv: some minutes and 2.4 GB, this once."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[cpu,demo,litert,search]'
	@touch $@

.venv/ready: .venv/lab
	$(BIN)/python -m pip install --quiet --editable '.[cpu,dev]'
	@touch $@

# The installation built the front end if there was none; this builds it anew when it has changed.
BUNDLE := lepton_jlab/labextension/static/style.js

$(BUNDLE): $(shell find labextension/src labextension/style labextension/schema -type f) labextension/yarn.lock
	cd labextension && jlpm install --immutable && jlpm build:prod

front: .venv/lab
	@$(MAKE) --no-print-directory .venv/front

.venv/front: .venv/lab $(BUNDLE)
	@test -d labextension/node_modules || (cd labextension && jlpm install --immutable)
	$(BIN)/jupyter-builder develop . --overwrite
	@touch $@

demo: front           ## run the quickstart end to end on the CPU, result on the terminal and as HTML
	$(BIN)/python notebooks/demo.py

notebooks: setup      ## execute all notebooks, each held to its figures, ten minutes and 1.5 GiB
	$(BIN)/python notebooks/execute.py

test: setup           ## all tests that need no GPU
	cd labextension && jlpm test
	$(BIN)/python -m pytest -m "not gpu"

lab: front            ## open JupyterLab on the quickstart
	$(BIN)/jupyter lab notebooks --LabApp.default_url=/lab/tree/quickstart.ipynb $(if $(filter 0,$(shell id -u)),--allow-root)

lint: setup           ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd labextension && jlpm lint:check

format: setup         ## put files into the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd labextension && jlpm format

docs: setup           ## the documentation as a site, in docs/_build
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build
	@echo "docs/_build/index.html"

pictures: setup       ## the pictures of README.md, docs/lab.md and docs/pages.md
	$(BIN)/python tests/browser/quickstart_picture.py
	$(BIN)/python -m tests.browser.pictures
	$(BIN)/python tests/browser/page_pictures.py
	$(BIN)/python tests/browser/gpu_pictures.py

bench: setup          ## all figures of docs/performance.md (half an hour, on a quiet machine)
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks

release: setup lint   ## wheel and sdist in dist/, each tried in an environment of its own
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m pytest -q tests/test_wheel.py

clean:                ## remove what the other targets made
	rm -rf labextension/lib labextension/node_modules lepton_jlab/labextension labextension/*.tsbuildinfo
	rm -rf .venv demo dist docs/_build .mypy_cache .pytest_cache .ruff_cache
