# Everything here needs only make and a Python 3.11: each target makes the environment .venv first, if it is not there.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

# The Python of the environment: the first of these that is new enough. PyBullet has no wheel for 3.12, so 3.11 comes first.
# `make setup PYTHON=python3.12` asks for another one.
PYTHONS := $(or $(PYTHON),python3.11 python3)
first-python = $(shell for p in $(PYTHONS); do "$$p" -c '$(1)' >/dev/null 2>&1 && command -v "$$p" && break; done)
new-enough := import sys; sys.exit(sys.version_info < (3, 11))

# ROS 2 comes from wheels unless one is sourced that a new enough Python here can import. Sourcing puts it on PYTHONPATH,
# which goes before site-packages, so its rclpy is found first in any case; the wheels are left out all the same, because
# the C++ libraries of the two do not mix. A sourced ROS 2 for another Python is hidden from what make starts.
ROS := wheels
ifdef AMENT_PREFIX_PATH
  ROS_PYTHON := $(call first-python,import rclpy; $(new-enough))
  ifdef ROS_PYTHON
    ROS := $(or $(ROS_DISTRO),sourced)
  else
    $(info ROS 2 $(ROS_DISTRO) is sourced, but its rclpy is for another Python than $(PYTHONS): using the rclpy wheels.)
    unexport PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH ROS_DISTRO RMW_IMPLEMENTATION
  endif
endif

# Installs whatever a lock file names, and nothing else. uv takes half the time of pip, but does not read pip's
# configuration: with a mirror known to pip alone, say `make setup INSTALL=".venv/bin/python -m pip install"`.
INSTALL ?= $(BIN)/uv pip install --quiet --python $(BIN)/python
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes

# Stamps: what is installed in .venv. Making the environment anew wipes them with all the rest.
LOCKED := $(VENV)/.locked-$(ROS)
READY := $(VENV)/.ready
TESTS := $(VENV)/.tests

.PHONY: help setup demo test test-fast lint format bench corpus fidelity fuzz flagship faults lock clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv from the lock files (every other target does it by itself)
	@echo "$(VENV) is ready: $(BIN)/sim2real --help"

demo: $(READY)  ## train, evaluate, deploy over ROS 2, mirror, report: the whole line, in runs/demo
	$(BIN)/sim2real demo

test: lint  ## everything that a change must pass
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m "not opengl"
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m opengl

test-fast: $(READY) $(TESTS)  ## the tests that take seconds
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m "not slow and not opengl"

lint: $(READY) $(TESTS)  ## style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(READY) $(TESTS)  ## rewrite the code in the style that lint asks for
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY) $(TESTS)  ## learning beside Stable-Baselines3, PyTorch and the bare engines; what randomization costs
	@failed=0; for part in benchmarks.training benchmarks.variants benchmarks; do \
	  $(BIN)/python -m $$part || failed=1; done; exit $$failed

corpus: $(READY) $(TESTS)  ## every URDF of two collections in both engines, judged by Pinocchio; writes docs/corpus.md
	$(BIN)/python -m benchmarks.corpus

fidelity: $(READY)  ## both engines beside closed-form answers of mechanics
	$(BIN)/python -m benchmarks.fidelity

fuzz: $(READY) $(TESTS)  ## 20,000 mutated descriptions and meshes: read, or refused in one line
	$(BIN)/python -m benchmarks.fuzz

flagship: $(READY)  ## hours: the walking quadruped, all variations and seeds, judged in the other engine; goes on where it was stopped
	$(BIN)/python -m benchmarks.flagship

faults: $(READY)  ## kill or stop a learner 240 times: nothing is lost, and nothing is left over
	$(BIN)/python -m benchmarks.faults

lock: $(READY)  ## resolve the newest versions that pyproject.toml allows into requirements/*.lock
	$(BIN)/python requirements/lock.py

clean:  ## remove the environment and every cache, but no run
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(LOCKED): BASE_PYTHON := $(or $(ROS_PYTHON),$(call first-python,$(new-enough)))
$(LOCKED): requirements/bootstrap.lock requirements/base.lock requirements/ros.lock
	@test -n "$(BASE_PYTHON)" || { echo "No Python >= 3.11 ($(PYTHONS)): apt install python3.11 python3.11-venv" >&2; exit 1; }
	@$(BASE_PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(BASE_PYTHON) cannot make environments: apt install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(BASE_PYTHON) --version), ROS 2: $(ROS)"
	@$(BASE_PYTHON) -m venv --clear $(VENV)
	@$(PIP) -r requirements/bootstrap.lock
	@$(INSTALL) --require-hashes -r requirements/base.lock $(if $(filter wheels,$(ROS)),-r requirements/ros.lock)
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# With pip, since uv looks for no PyTorch where pip's configuration offers one (see requirements/README.md).
$(TESTS): $(LOCKED) requirements/test.lock requirements/torch-cpu.lock requirements/torch.lock
	@echo "Installing the test tools"
	@$(PIP) --no-deps -r requirements/test.lock
	@$(PIP) --no-deps -r requirements/torch-cpu.lock 2>/dev/null || { \
	  echo "No CPU build of PyTorch on offer here: installing the common one, with CUDA on Linux (3 GB)"; \
	  $(PIP) --no-deps -r requirements/torch.lock; }
	@touch $@
