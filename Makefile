# Pinhole's commands. `make` lists them. Everything is installed into .venv, by hash.
#
#   BACKEND=ultralytics       the detector through ultralytics (installs torch, 5 GB more)
#   TORCH_INDEX_URL=…         another build of torch, such as the CPU one (1.5 GB instead of 5.2)
#   ARGS='--source usb:0'     what `pinhole up` or pytest is given besides
#   LONG=1                    the long forms of fault and soak tests too
#   JOBS=1                    test processes side by side (by default one a core, at most 4)
#   PYTHON=python3.12         the Python that .venv is made with (3.11 or newer)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BACKEND ?= openvino
ARGS ?=
JOBS ?= $(shell cores=$$(nproc); echo $$((cores < 4 ? cores : 4)))
BIN := .venv/bin

# What was installed is remembered in a file, so that a second call does nothing. The development
# set holds every other one.
have_dev := $(wildcard .venv/.installed-dev)
set_of_openvino := up
set_of_ultralytics := full
up_set := $(or $(set_of_$(BACKEND)),$(error BACKEND=$(BACKEND) is neither openvino nor ultralytics))
up_mark := .venv/.installed-$(if $(have_dev),dev,$(up_set))
dev_mark := .venv/.installed-dev

.PHONY: help
help: ## list the commands
	@sed -nE 's/^([a-z]+):.*## (.*)$$/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: up
up: $(up_mark) ## run everything on this machine (Ctrl-C stops it)
	@YOLO_BACKEND=$(BACKEND) exec $(BIN)/pinhole up $(ARGS)

.PHONY: test
test: $(dev_mark) ## run the tests (LONG=1: the long ones too)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(if $(LONG),,-m 'not long') $(ARGS)

.PHONY: check
check: $(dev_mark) ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

.PHONY: format
format: $(dev_mark) ## format the code and apply the safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(dev_mark) ## measure against the floors; results in bench/results
	$(BIN)/python -m bench $(ARGS)

.PHONY: lock
lock: $(dev_mark) ## write requirements/*.lock anew from pyproject.toml
	requirements/lock.sh

.PHONY: clean
clean: ## remove .venv and caches; the stack's state (.pinhole) stays: `pinhole reset`
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

.venv/.installed-dev: requirements/dev.lock
.venv/.installed-up: requirements/up.lock
.venv/.installed-full: requirements/up.lock requirements/yolo.lock
.venv/.installed-%: pyproject.toml tools/install.sh
	PYTHON=$(PYTHON) tools/install.sh .venv $(filter %.lock,$^)
	@touch $@
