# make demo: the main job, on bundled photographs with the shipped checkpoint.   make test: everything CI checks.
# make results: our tables on Kodak, which must be there (python -m bench.datasets fetch kodak); hours, can be stopped and resumed.
# make notebooks: the papers' figures and tables from results/, as .ipynb and .html in notebooks/out/.
# make test-compressai: the tests of CompressAI's models and of BD-rates with NumPy 1, in .venv-compressai; several GB, not part of make test.
# make fuzz: every parser under a coverage-guided fuzzer, FUZZ_MINUTES each (1).   make bench: speed, as ratios in one run.
# make soak: SOAK_MINUTES (10) of faults at random moments; nothing that was finished may be lost.
# The others set up a virtual environment in .venv first. PYTHON chooses the interpreter (3.11 or later).
PYTHON ?= python3
SOAK_MINUTES ?= 10
FUZZ_MINUTES ?= 1
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.txt

CAI := .venv-compressai
CHECK := $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..."; exit 2; }

.PHONY: demo test soak fuzz bench test-compressai results notebooks install install-test lint clean

demo: install
	$(BIN)/python -m bench.reencode --codec iat,jpeg,webp,avif --generations 50

test: install-test lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

results: install-test
	OMP_NUM_THREADS=1 $(BIN)/python -m bench.results

notebooks: install-test
	$(BIN)/python notebooks/execute.py

test-compressai: $(CAI)/.installed
	OMP_NUM_THREADS=1 $(CAI)/bin/python -m pytest tests/baselines/test_compressai*.py tests/bench/test_bd.py

fuzz: install-test
	$(PIP) -e '.[fuzz]'
	OMP_NUM_THREADS=1 $(BIN)/python -m fuzz --minutes $(FUZZ_MINUTES)

bench: install-test
	$(BIN)/python -m benchmarks

soak: install-test
	OMP_NUM_THREADS=1 $(BIN)/python tests/bench/soak.py --minutes $(SOAK_MINUTES)

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
	$(PIP) -e '.[heic,jxl,ffmpeg,dask,notebooks,test]'
	@touch $@

$(CAI)/.installed: pyproject.toml requirements-compressai.txt
	@$(CHECK)
	$(PYTHON) -m venv $(CAI)
	$(CAI)/bin/python -m pip install --quiet --disable-pip-version-check -c requirements-compressai.txt \
	    -e '.[compressai]' pytest pytest-timeout hypothesis
	@touch $@

clean:
	rm -rf $(VENV) $(CAI) .pytest_cache .mypy_cache .ruff_cache .hypothesis
