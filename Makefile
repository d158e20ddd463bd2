# Every target sets up .venv by itself and reuses it while constraints.txt and pyproject.toml stay the same.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HASH := $(shell cat constraints.txt pyproject.toml | sha256sum | cut -c1-16)
STAMP := $(VENV)/.installed-$(HASH)
WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Where the processor shows. PyTorch takes other instructions under either name, and in the first pass the plain kernels
# replace those compiled for this machine.
NUMERICAL := $(addprefix tests/,contracts dynamics functions kernels model neighbors observables physics representations so3)
PASSES := "ATEN_CPU_CAPABILITY=default ATNN_KERNELS=reference" "ATEN_CPU_CAPABILITY=avx2"

# Files with tests of compiled code; to collect all the others once more takes half a minute.
COMPILED = $(shell grep -rlE "mark\.compiled" tests --include='*.py')

.PHONY: setup demo test test-portable lint docs wheel bench constraints clean

setup: $(STAMP)

# torch first and alone: the package's kernels and optional dependencies are resolved against that exact version.
$(STAMP):
	@echo "== setting up $(VENV) (a minute or two)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	rm -f $(VENV)/.installed-*
	$(BIN)/python -m pip install -qq --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

demo: setup
	$(BIN)/atnn demo

# Two calls: the shape-checking hook and torch.compile exclude each other.
test: export OMP_NUM_THREADS = 1
test: export PYTHONHASHSEED = 0
test: setup
	@status=0; \
	echo "== tests with shapes and types checked (jaxtyping, beartype)"; \
	$(BIN)/python -m pytest -m "not compiled" --jaxtyping-packages=atnn,beartype.beartype -n $(WORKERS) $(ARGS) || status=1; \
	echo "== tests of compiled code"; \
	$(BIN)/python -m pytest -m compiled -n $(WORKERS) $(or $(ARGS),$(COMPILED)) || { code=$$?; test $$code -eq 5 || status=1; }; \
	exit $$status

test-portable: export OMP_NUM_THREADS = 1
test-portable: export PYTHONHASHSEED = 0
test-portable: setup
	@status=0; \
	for settings in $(PASSES); do \
		echo "== numerical tests with $$settings"; \
		env $$settings $(BIN)/python -m pytest -m "not compiled" -n $(WORKERS) $(NUMERICAL) $(ARGS) || status=1; \
	done; \
	exit $$status

lint: setup
	@status=0; \
	$(BIN)/ruff check . || status=1; \
	$(BIN)/ruff format --check . || status=1; \
	$(BIN)/lint-imports --no-cache || status=1; \
	$(BIN)/mypy || status=1; \
	exit $$status

docs: export NO_MKDOCS_2_WARNING = 1
docs: setup
	$(BIN)/mkdocs build --strict --quiet

# With the kernels for the installed PyTorch, for processors of three kinds; then used without the sources.
wheel: setup
	$(BIN)/python scripts/build_kernels.py
	rm -rf dist
	$(BIN)/python -m pip wheel -qq --no-deps --wheel-dir dist .
	scripts/check_wheel dist/*.whl $(BIN)/python

bench: export OMP_NUM_THREADS = 1
bench: setup
	$(BIN)/python -m benchmarks.run

constraints:
	{ echo "# Exact versions that CI uses; written by 'make constraints' from a working .venv."; \
	  $(BIN)/python -m pip freeze --exclude-editable | grep -vi '^atnn' | sed 's/^\(torch==[0-9.]*\)+cpu/\1/'; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) dist src/atnn/kernels/prebuilt site .pytest_cache .mypy_cache .ruff_cache .hypothesis
