# Two commands do all set-up themselves in a private environment, .venv/:
#   make demo    run the embedded default study; prints where its report is
#   make test    run all checks and tests
# and one needs root on Debian besides:
#   make slurm-test   run a study on a one-machine SLURM cluster that it starts and stops
# or what it installs there, where it is missing:
#   make browser-test   look at the report in headless Chromium
# and one measures:
#   make bench   the engine against other libraries, and on a GPU where there is one;
#                DATA=FOLDER on real sets (docs/performance.md)
# They need Python >= 3.11, git and make, and nothing else.

PYTHON ?= python3
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake

.PHONY: demo test bench slurm-test browser-test lint lint-types lint-style generated clean-env

demo: .venv/run.ready
	@$(SNAKEMAKE) --quiet rules reason host

test: .venv/test.ready lint
	@# Two workers for two cores; each file's tests stay in one of them, with what they share.
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 15

bench: .venv/bench.ready
	$(BIN)/python benchmarks/engine.py $(if $(DATA),--data $(DATA)) \
	  --out benchmarks/results/engine$(if $(DATA),,_made_up).json
	@if $(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then \
	  $(BIN)/python benchmarks/gpu.py; \
	else echo "No GPU: benchmarks/gpu.py is left out."; fi

slurm-test: .venv/test.ready
	@tests/slurm/install.sh
	$(BIN)/pytest -s tests/slurm/study_on_slurm.py

browser-test: .venv/test.ready
	@tests/browser/install.sh
	$(BIN)/pytest tests/browser/report_in_chromium.py

lint: .venv/test.ready
	@$(MAKE) --jobs 2 --output-sync lint-types lint-style

lint-types:
	$(BIN)/mypy

lint-style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	@# Lint says on standard error what it would like changed, and fails where there is any.
	$(SNAKEMAKE) --lint

generated: .venv/test.ready
	@# What is written from the code: schemas of the config files, and the tables' page.
	PYTHONPATH=workflow/scripts $(BIN)/python -m tuning_dynamics.config.json_schema workflow/schemas
	PYTHONPATH=workflow/scripts $(BIN)/python -m tuning_dynamics.tables.page docs/tables.md

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run.ready: requirements.txt | .venv/bin/python
	@echo "Installing the environment into .venv/ (a minute or two) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

.venv/test.ready: requirements-dev.txt .venv/run.ready
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

.venv/bench.ready: requirements-bench.txt .venv/test.ready
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-bench.txt
	@touch $@

clean-env:
	rm -rf .venv
