# make demo: the main job, on bundled photographs with the shipped checkpoint.   make test: everything CI checks.
# make fuzz: every parser under a coverage-guided fuzzer, FUZZ_MINUTES each (1).   make bench: speed, as ratios in one run.
# make test-compressai: the tests of CompressAI's models, in .venv-compressai; several GB, not part of make test.
# The others set up a virtual environment in .venv first. PYTHON chooses the interpreter (3.11 or later).
PYTHON ?= python3
FUZZ_MINUTES ?= 1
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.txt

CAI := .venv-compressai
CHECK := $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..."; exit 2; }

.PHONY: demo test fuzz bench test-compressai install install-test lint clean

demo: install
	$(BIN)/python -m bench.reencode --codec iat,jpeg,webp,avif --generations 50

test: install-test lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

test-compressai: $(CAI)/.installed
	OMP_NUM_THREADS=1 $(CAI)/bin/python -m pytest tests/baselines/test_compressai*.py

fuzz: install-test
	$(PIP) -e '.[fuzz]'
	OMP_NUM_THREADS=1 $(BIN)/python -m fuzz --minutes $(FUZZ_MINUTES)

bench: install-test
	$(BIN)/python -m benchmarks

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(VENV)/.installed
install-test: $(VENV)/.installed-test

$(VENV)/.venv:
	@$(CHECK)
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.venv pyproject.toml requirements.txt
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) -e '.[heic,jxl,ffmpeg,dask,test]'
	@touch $@

$(CAI)/.installed: pyproject.toml requirements-compressai.txt
	@$(CHECK)
	$(PYTHON) -m venv $(CAI)
	$(CAI)/bin/python -m pip install --quiet --disable-pip-version-check -c requirements-compressai.txt \
	    -e '.[compressai]' pytest pytest-timeout
	@touch $@

clean:
	rm -rf $(VENV) $(CAI) .pytest_cache .mypy_cache .ruff_cache .hypothesis
