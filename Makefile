# make demo      a trained network becomes a checked and billed spiking program
# make test      lint, types, doctests, tests; long random runs are sampled
# make verify    the same with every random case and every oracle, or it fails
# make lint      ruff and mypy alone
# make clean     remove environments, builds and caches
#
# Nothing has to be installed but Python 3.11 or newer, make and a C compiler.

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
TEST_ENV := .venv
DEMO_ENV := .venv-demo
LAVA_ENV := .venv-lava
NENGO_ENV := .venv-nengo
LAVA_PYTHON ?= $(shell for p in python3.11 python3.10 $(PYTHON); do \
	$$p -c '' 2>/dev/null && { echo $$p; break; }; done)
BIN := $(TEST_ENV)/bin
PIP_QUIET := -qq --disable-pip-version-check --no-input
PIP_FLAGS := $(PIP_QUIET) -c constraints.txt
# source distributions with files that no wheel has: a trained network as a .nir file
SDISTS := sinabs==3.1.3
EXTRAS := torch,snntorch,onnx,nir,events,toolchain,report,test

# Packages that are not imported: they hold trained networks that the importers are tested on.
NETWORKS := silero-vad basic-pitch magika rapidocr-onnxruntime ddddocr facenet-pytorch

# One thread: the order of a sum inside a framework's kernel must not depend on the machine.
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help demo test verify lint doctest clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo: $(DEMO_ENV)/.ready
	$(DEMO_ENV)/bin/neurodeploy demo

# What Lava and nengo-loihi are oracles for is skipped, by name, where they cannot be installed.
test: lint doctest
	-@$(MAKE) --no-print-directory $(LAVA_ENV)/.ready
	-@$(MAKE) --no-print-directory $(NENGO_ENV)/.ready
	$(BIN)/pytest $(ARGS)

verify: export NEURODEPLOY_VERIFY := 1
verify: lint doctest $(LAVA_ENV)/.ready $(NENGO_ENV)/.ready
	$(BIN)/pytest $(ARGS)

lint: $(TEST_ENV)/.ready
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy

# python_files matches nothing: only docstrings are collected here.
doctest: $(TEST_ENV)/.ready
	$(BIN)/pytest --quiet --doctest-modules -o python_files= neurodeploy

clean:
	rm -rf $(TEST_ENV) $(DEMO_ENV) $(LAVA_ENV) $(NENGO_ENV) build dist *.egg-info neurodeploy-demo
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The demo takes the base installation alone: no framework is needed to run a trained network.
$(DEMO_ENV)/.ready: pyproject.toml constraints.txt
	$(call create_env,$(DEMO_ENV))
	$(DEMO_ENV)/bin/python -m pip install $(PIP_FLAGS) --editable .
	@touch $@

# SpikingJelly declares plotting, audio and logging packages that its neurons never import: they
# are left out, and the two that they do import are named. So are those of sinabs but for samna,
# the driver of a board: matplotlib and pbr. Of NeuroBench only the metrics are
# used, of aeon only its data files. onnxscript writes the files of torch's newer exporter.
# tonic's audio and recording packages are left out; requests and importRosbag are what it imports.
$(TEST_ENV)/.ready: pyproject.toml constraints.txt
	$(call create_env,$(TEST_ENV))
	$(BIN)/python -m pip install $(PIP_FLAGS) --editable '.[$(EXTRAS)]' loguru tqdm matplotlib pbr
	$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps spikingjelly neurobench aeon nirtorch sinabs dcls norse
	$(BIN)/python -m pip install $(PIP_FLAGS) requests
	$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps tonic importRosbag faery
	$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps onnxscript onnx-ir ml_dtypes $(NETWORKS)
	$(BIN)/python -m pip download -qq --no-deps --no-binary sinabs -d $(TEST_ENV)/sdists $(SDISTS)
	@touch $@

# Lava is archived: it asks for older packages than the tests do, and for a Python before 3.11, which
# its programs get round; there are no such packages for 3.13. Of lava-dl its reader of netx files
# and its own test networks are used, not what it trains with in torch.
$(LAVA_ENV)/.ready: Makefile
	@echo "setting up $(LAVA_ENV) with $(LAVA_PYTHON)"
	@$(LAVA_PYTHON) -m venv $(LAVA_ENV)
	$(LAVA_ENV)/bin/python -m pip install $(PIP_QUIET) numpy==1.26.4 scipy==1.15.3 networkx==2.8.7 asteval==0.9.33
	$(LAVA_ENV)/bin/python -m pip install $(PIP_QUIET) --ignore-requires-python --no-deps lava-nc==0.10.0
	$(LAVA_ENV)/bin/python -m pip install $(PIP_QUIET) h5py==3.11.0
	$(LAVA_ENV)/bin/python -m pip install $(PIP_QUIET) --ignore-requires-python --no-deps lava-dl==0.6.0
	@touch $@

# nengo-loihi asks for a numpy before 1.24 by what it uses of it.
$(NENGO_ENV)/.ready: Makefile
	@echo "setting up $(NENGO_ENV) with $(LAVA_PYTHON)"
	@$(LAVA_PYTHON) -m venv $(NENGO_ENV)
	$(NENGO_ENV)/bin/python -m pip install $(PIP_QUIET) 'numpy<1.24' nengo-loihi==1.1.0
	@touch $@

define create_env
	@if [ -z "$(PYTHON)" ]; then echo "Python 3.11 or newer is needed (or: make PYTHON=/path/to/python)" >&2; exit 1; fi
	@echo "setting up $(1) with $(PYTHON)"
	@$(PYTHON) -m venv $(1)
endef
