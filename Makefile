# Two commands do everything on a fresh machine: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
JOBS ?= auto
# A thread for each of the processes: tests are many and small, and more threads than cores wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

.PHONY: demo test unit rest slow browser gpu test-clients lint clean

demo: .venv/train
	$(BIN)/python examples/demo.py

test: unit rest

unit: .venv/dev
	$(PYTEST) -m "not slow and not browser and not gpu"

rest: .venv/dev
	$(PYTEST) -m "slow or browser or gpu"

slow: .venv/dev
	$(PYTEST) -m slow

browser: .venv/dev
	$(PYTEST) -m browser

gpu: .venv/dev
	$(PYTEST) -m gpu

# The server, called by clients that nobody here wrote; and OR-tools, which pins a protobuf as they do.
test-clients: .venv/dev .venv-clients/done
	DRIVETRAIN_CLIENTS=$(CURDIR)/.venv-clients/bin/python $(PYTEST) -n 0 tests/test_serve_clients.py tests/test_deploy.py tests/test_decide_linear.py -k "elsewhere or Others"

lint: .venv/dev
	$(BIN)/ruff check src tests examples bench
	$(BIN)/ruff format --check src tests examples bench
	$(BIN)/pyright
	$(BIN)/lint-imports

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Drivetrain needs Python 3.11 or newer: make demo PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/train: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing into .venv (once; a few minutes)"
	$(PIP) install -c constraints.txt -e '.[train]'
	@touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/train
	$(PIP) install -c constraints.txt -e '.[train,dev]'
	@touch $@

.venv-clients/done: tests/clients/requirements.txt tests/clients/requirements-tensorflow.txt
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/python -m pip --disable-pip-version-check -q install -r tests/clients/requirements.txt
	.venv-clients/bin/python -m pip --disable-pip-version-check -q install --no-deps -r tests/clients/requirements-tensorflow.txt
	@touch $@

clean:
	rm -rf .venv .venv-base .venv-clients demo runs
