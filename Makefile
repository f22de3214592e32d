# The front door. `make run` and `make test` do all of their own set-up; nothing is done twice.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMPS := .make
# One process more than cores, four at most, share the tests, a file at a time, in the order of the
# folders' names, which puts the quick ones last: while one waits for a timer or a disk, another works.
# One that dies, as it does when a test hangs, ends the run: its test would only hang again.
CORES := $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
SHARED := -n $(shell echo $$(($(CORES) < 4 ? $(CORES) + 1 : 4))) --dist loadfile --no-loadscope-reorder --max-worker-restart 0
# What runs at the same time says what it has to say when it is done, where this make can do so.
TOGETHER := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
# Where a certificate store of the system is the one that knows the network's authority, uv must use it.
export UV_SYSTEM_CERTS ?= 1
# Images for containers often forbid it; then each of a thousand starts compiles every module anew.
unexport PYTHONDONTWRITEBYTECODE
# Nor is what somebody set for programs of his own right for all of this.
unexport PYTHONOPTIMIZE PYTHONWARNINGS PIP_PREFIX PIP_TARGET PIP_USER
export UV_PYTHON := $(VENV)/bin/python
NATIVE_SOURCES := $(shell find native -name '*.rs' -not -path '*/target/*' -not -path '*/fuzz/*') native/Cargo.toml native/Cargo.lock native/pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup run demo test native-tests page-tests lint fmt types house unit ui page screenshots gen wheels bench soak fuzz clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMPS)/dev ## install everything for development into .venv

run: $(STAMPS)/server ## start clew: OTLP on 4317 and 4318, REST on 7701
	@exec $(BIN)/clew serve $(ARGS)

demo: $(STAMPS)/server ## run the demo system against a running clew
	@exec $(BIN)/clew demo $(ARGS)

test: $(STAMPS)/dev ## lint, types and every test: what CI runs
	@$(MAKE) --no-print-directory --jobs 2 $(TOGETHER) lint types native-tests page-tests
	$(BIN)/python -m pytest $(SHARED) --durations 15 $(ARGS)

# What `make test` does before the tests, two at a time: the types take one core for half a minute.
native-tests: $(STAMPS)/dev
	@if command -v cargo >/dev/null; then MAKEFLAGS= cargo test --quiet --locked --manifest-path native/Cargo.toml; \
	else echo "no cargo: the tests of the native decoder are left out"; fi

page-tests:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory page; \
	else echo "no npm: the tests of the page's source, and of its being built anew, are left out"; fi

lint: $(STAMPS)/dev ## check style, format and the floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

fmt: $(STAMPS)/dev ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMPS)/dev ## check types strictly
	$(BIN)/mypy

house: $(STAMPS)/dev ## the tests of the code itself
	$(BIN)/python -m pytest tests/house

unit: $(STAMPS)/dev ## the quick tests
	$(BIN)/python -m pytest tests/unit tests/property

ui: ui/node_modules ## build the page into src/clew/surfaces/web/static
	cd ui && npm run --silent check && npm run --silent build -- --logLevel warn

page: ui/node_modules ## check the page's source: style, types, unit tests
	cd ui && npm run --silent check && npm run --silent test -- --reporter=dot

screenshots: $(STAMPS)/dev ui/node_modules ## take the guide's pictures of the page
	CLEW_SCREENSHOTS=1 $(BIN)/python -m pytest tests/e2e/page/test_screens.py $(ARGS)

gen: $(STAMPS)/dev ## write every generated file anew
	$(BIN)/python -m clew.app.generate

wheels: $(STAMPS)/dev ## build the wheels, the native one included, into dist/
	$(UV) build --quiet --wheel --out-dir dist .
	@if command -v cargo >/dev/null; then $(BIN)/maturin build --quiet --release --locked --manifest-path native/Cargo.toml --out dist; \
	else echo "no cargo: the wheel of the native decoder was not built"; fi
	@ls dist

bench: $(STAMPS)/dev ## measure, and write bench/results and the table of the figures
	$(BIN)/python -m bench $(ARGS)

soak: $(STAMPS)/dev ## the full-size drills, and properties with twenty times the examples, too long for `make test`
	CLEW_CRASH_ROUNDS=200 CLEW_FAILOVER_ROUNDS=20 CLEW_HOT_READS=2000 CLEW_LINK_EMITS=1000000 CLEW_TWIN_EVENTS=1000000 CLEW_TEAM_KILLS=200 CLEW_TEAM_STORIES=500 CLEW_TEAM_STORMS=50 $(BIN)/python -m pytest tests/integration/test_pipeline_engine.py tests/integration/test_crash.py tests/e2e/test_server_crash.py tests/e2e/servers tests/integration/test_link_memory.py tests/integration/test_twin_million.py tests/integration/test_team_sync_crash.py tests/property/test_team_convergence.py $(ARGS)
	CLEW_EXAMPLES=20 $(BIN)/python -m pytest $(SHARED) -m hypothesis --timeout 1800 tests/unit tests/property tests/conformance $(ARGS)

fuzz: ## fuzz the native decoder for FUZZ_SECONDS (60); needs a nightly toolchain and cargo-fuzz
	cd native && cargo +nightly fuzz run decode -- -max_total_time=$${FUZZ_SECONDS:-60}

clean: ## remove what the other targets made
	rm -rf $(VENV) $(STAMPS) dist build native/target native/fuzz/target
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up, each step once -------------------------------------------------------------------

$(STAMPS)/uv: requirements/uv.txt
	@mkdir -p $(STAMPS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "clew needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(STAMPS)/server: $(STAMPS)/uv requirements/server.txt pyproject.toml $(STAMPS)/native
	@echo "setting up the server in $(VENV)"
	@$(UV) pip install --quiet --require-hashes -r requirements/server.txt
	@$(UV) pip install --quiet --no-deps --editable .
	@touch $@

# Without a Rust toolchain the Python decoder does the work; that is a choice to be told of, not a failure.
$(STAMPS)/native: $(STAMPS)/uv $(NATIVE_SOURCES)
	@if command -v cargo >/dev/null; then echo "building the native decoder"; $(UV) pip install --quiet --no-deps --reinstall-package clew-native ./native; \
	elif ls dist/clew_native-*.whl >/dev/null 2>&1; then $(UV) pip install --quiet --no-deps dist/clew_native-*.whl; \
	else echo "no Rust toolchain (cargo): going on with the Python decoder, which is some 60 times slower."; \
	     echo "install one from https://rustup.rs, or put a wheel made by 'make wheels' into dist/, then: make setup"; fi
	@touch $@

# What comes as source (sbe) is built by the tools of the lock file, whose hashes are asked for as well.
$(STAMPS)/dev: $(STAMPS)/server requirements/dev.txt
	@echo "setting up the tools for development"
	@$(UV) pip install --quiet --require-hashes --build-constraints requirements/dev.txt -r requirements/dev.txt
	@touch $@

ui/node_modules: ui/package-lock.json
	@echo "setting up the tools of the page"
	@cd ui && npm ci --include dev --silent --no-audit --no-fund
	@touch $@
