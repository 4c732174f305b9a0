# All targets use their own environment, .venv; an active one is neither used nor changed.
#
#   make demo                      train a digits CNN, export it, build it, test it
#   make test                      run the whole test suite, including its setup
#   make check                     run its fast part, about two minutes
#   make system-packages           install what the tests need from Debian or Ubuntu
#   make examples                  regenerate platformio_projects/ from the committed models
#   make kernel-sizes              measure the code of every kernel; CORE=name on one core only
#   make kernel-costs              fit instructions and cycles of every kernel; takes half an hour
#   make kernel-costs KERNEL=name  fit those of one kernel only; CORE=name on one core only
#   make bench                     count instructions on the emulated Cortex-M4
#   make bench-nets                count them on eight networks that no kernel was written for
#   make bench-front-ends          count them on the front ends of signal pipelines
#   make bench-host                measure the command line on this machine
#   make bench-accuracy            measure what small networks lose as int8
#   make bench-compression         measure accuracy against size for every technique; takes hours
#   make fuzz SECONDS=600          feed broken models to the reader
#   make fuzz-kernels ROUNDS=20    run every kernel on random cases, on the emulated Cortex-M4
#   make fuzz-passes ROUNDS=20     run every rewrite on random graphs, compared with TFLM
#   make fuzz-sense FRAMES=1000000 run random pipelines in NumPy and in C
#   make docs                      regenerate the pages and the picture in docs/
#   make format                    format the Python code and the kernels
#   make dist                      build wheel and source archive in dist/
#   make clean                     remove everything that these targets wrote, except .venv
#   make distclean                 remove .venv, too

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
HALFWAY := $(VENV)/.halfway
SECONDS := 60
ROUNDS := 20
FRAMES := 1000000
DEBIAN_PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib \
	qemu-system-arm cppcheck clang cmake arduino-builder arduino-ctags espeak-ng

# What the user's shell says about Python is about another environment.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONOPTIMIZE \
	PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_VIRTUALENV PIP_CONSTRAINT \
	PYTHONDONTWRITEBYTECODE PYTEST_ADDOPTS PYTEST_PLUGINS MYPYPATH
export PYTHONNOUSERSITE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# pio, the console scripts and whatever they call come from our environment first.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help demo test check lint format-check ruff types contracts unit system-packages \
	test-packages examples kernel-sizes kernel-costs bench bench-nets bench-front-ends bench-host \
	bench-accuracy bench-compression fuzz fuzz-kernels fuzz-passes fuzz-sense docs format dist venv \
	clean distclean

help:
	@sed -n '/^#   make/s/^#   //p' Makefile

# An environment that was moved or lost its interpreter is rebuilt, like an outdated one.
ifneq ($(shell $(PYTHON) -c 'print(open("$(READY)").read().strip())' 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif

venv: $(READY)

# HALFWAY marks an environment whose making was interrupted: it is not trusted, but made again.
# The search for an interpreter leaves out .venv itself, which is first on the PATH.
$(READY): setup.cfg pyproject.toml constraints.txt
	@if [ -e $(HALFWAY) ] || ! $(PYTHON) -c 'import pip' 2>/dev/null; then rm -rf $(VENV); fi
	@if [ ! -e $(PYTHON) ]; then \
		PATH=$${PATH#*:}; \
		for python in python3.13 python3.12 python3.11 python3; do \
			"$$python" -c 'import ensurepip, sys, venv; \
sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || continue; \
			echo "make: new environment in $(VENV) with $$("$$python" -V)"; \
			mkdir $(VENV) && touch $(HALFWAY) && "$$python" -m venv $(VENV) || exit 1; \
			break; \
		done; \
		if [ ! -e $(PYTHON) ]; then \
			echo "make: no Python 3.11, 3.12 or 3.13 with its venv module was found." >&2; \
			echo "make: install one, on Debian and Ubuntu: apt install python3 python3-venv" >&2; \
			exit 1; \
		fi; \
	fi
	@touch $(HALFWAY)
	@echo "make: installing into $(VENV); a first time takes some minutes"
	@$(PYTHON) -m pip install --quiet --constraint constraints.txt --editable '.[demo,dev]'
	@echo "$(CURDIR)" > $(READY)
	@rm -f $(HALFWAY)

demo: $(READY)
	@$(PYTHON) examples/demo.py

# The last lines of `make test` are pytest's.
test: lint test-packages
	$(PYTHON) -m pytest -n 2 --dist worksteal

check: lint unit

lint: format-check ruff types contracts

format-check: $(READY)
	$(PYTHON) -m ruff format --check --quiet .

ruff: $(READY)
	$(PYTHON) -m ruff check --quiet .

types: $(READY)
	$(PYTHON) -m mypy

contracts: $(READY)
	$(VENV)/bin/lint-imports --no-cache --no-logo

unit: $(READY)
	$(PYTHON) -m pytest -n 2 --dist worksteal -m "not slow"

system-packages:
	@if command -v dpkg-query >/dev/null && ! dpkg-query --show --showformat \
			'$${db:Status-Status}\n' $(DEBIAN_PACKAGES) 2>&1 | grep -qvx installed; then \
		echo "make: all Debian packages are installed"; \
	elif ! command -v apt-get >/dev/null; then \
		echo "make: this is neither Debian nor Ubuntu; install what these hold:" >&2; \
		echo "make: $(DEBIAN_PACKAGES)" >&2; \
		exit 1; \
	else \
		sudo=; if [ "$$(id -u)" != 0 ]; then sudo=sudo; fi; \
		$$sudo apt-get update --quiet=2 && \
		$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes \
			--no-install-recommends $(DEBIAN_PACKAGES); \
	fi

# Only root in a container or in CI gets packages unasked; otherwise the end of the tests says what is missing.
test-packages:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		$(MAKE) --no-print-directory system-packages || \
			echo "make: going on without; tests that need them skip" >&2; \
	fi

examples: $(READY)
	$(PYTHON) examples/regenerate.py

kernel-sizes: $(READY)
	$(PYTHON) -m benchmarks.kernel_sizes $(CORE:%=--core %)

kernel-costs: $(READY)
	$(PYTHON) -m benchmarks.kernel_costs $(CORE:%=--core %) $(KERNEL)

bench: $(READY)
	@PYTHONPATH=. $(PYTHON) benchmarks/bench.py

bench-nets: $(READY)
	@PYTHONPATH=. $(PYTHON) -m benchmarks.nets

# TFLM=DIR TFLM_COMMIT=ID adds TensorFlow Lite Micro's signal library, CMSIS_DSP=DIR CMSIS_CORE=DIR
# adds CMSIS-DSP, with CMSIS_COMMIT=ID if git cannot tell it.
bench-front-ends: $(READY)
	@PYTHONPATH=. $(PYTHON) -m benchmarks.front_ends \
		$(if $(TFLM),--tflm-source "$(TFLM)" --tflm-commit "$(TFLM_COMMIT)") \
		$(if $(CMSIS_DSP),--cmsis-dsp "$(CMSIS_DSP)" --cmsis-core "$(CMSIS_CORE)") \
		$(if $(CMSIS_COMMIT),--cmsis-commit "$(CMSIS_COMMIT)")

bench-host: $(READY)
	@$(PYTHON) benchmarks/host.py

bench-accuracy: $(READY)
	@$(PYTHON) -m benchmarks.int8_error

bench-compression: $(READY)
	@$(PYTHON) -m benchmarks.compression

fuzz: $(READY)
	TFLM_EXT_FUZZ_SECONDS=$(SECONDS) $(PYTHON) -m pytest -m fuzz -q

fuzz-kernels: $(READY)
	TFLM_EXT_KERNEL_SEED=$$(date +%s) TFLM_EXT_KERNEL_ROUNDS=$(ROUNDS) \
		$(PYTHON) -m pytest -q -n 2 --dist worksteal -k host_and_core tests/ops/test_kernels_on_the_core.py

fuzz-passes: $(READY)
	TFLM_EXT_GRAPH_SEED=$$(date +%s) TFLM_EXT_GRAPH_ROUNDS=$(ROUNDS) \
		$(PYTHON) -m pytest -q -n 2 --dist worksteal tests/passes/test_random_graphs.py

fuzz-sense: $(READY)
	TFLM_EXT_FUZZ_FRAMES=$(FRAMES) $(PYTHON) -m pytest -q -s -k drawn_pipelines tests/fuzz/test_sense.py

docs: $(READY)
	$(PYTHON) -m docs.generate

format: $(READY)
	$(PYTHON) -m ruff check --fix --quiet .
	$(PYTHON) -m ruff format --quiet .
	$(VENV)/bin/clang-format -i templates/kernels/*.h templates/apps/*.h templates/sensors/*.h docs/how-to/operator_template/*.h

dist: $(READY)
	$(PYTHON) -m build --quiet .

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis tflm_ext.egg-info
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
