# The commands of daily work; `make` alone lists them. HOST, PORT and every other setting pass through from the
# environment, as in `PORT=9000 make run`.

# The first of these that is Python 3.11 or newer and can make a venv; `make run PYTHON=/path/to/python` names another.
PYTHON ?= python3.13 python3.12 python3.11 python3
UV ?= uv

VENV := .venv
BIN := $(VENV)/bin
PIP := -m pip install --quiet --disable-pip-version-check
# Older ones, as Python 3.11 and 3.12 bring along, take more than twice the time over a lock.
NEW_PIP := 'pip>=25'
INSTALL := $(BIN)/python $(PIP) --require-hashes -r
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(ARGS)

# Each file of tests is one worker's, as all that its tests share then is; tests/conftest.py says how many workers there
# are. Not with arguments: a few tests are there sooner
# without workers, and `-s` and `--pdb` work. And not with TEST_REDIS_URL, which workers would empty under each other.
ON_ALL_CORES := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# What fails by chance fails nothing, where all are run: tests/again.py says when.
AGAIN := -p tests.again

# It takes all cores by itself, and gives everything that breaks so many seconds.
ALONE := tests/chaos/test_chaos.py
# What Python compiles it keeps, whatever the environment says: each process of the tests would do it again.
PYTEST = env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest $(if $(filter true 1,$(CI)),-p tests.no_skips)

# A stamp says which lock is installed. The test lock holds all of the other, so it satisfies both.
RUN_STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-tests
# JavaScript clients, which a developer without npm can do without, and what is merged cannot.
NPM_STAMP := $(if $(shell command -v npm)$(filter true 1,$(CI)),tests/clients/node_modules/.installed)
# LangChain asks for packages that are older than the service's own: it lives apart, as clients do.
LANGCHAIN := tests/clients/.langchain
LANGCHAIN_STAMP := $(LANGCHAIN)/.installed

.PHONY: help install run worker test fuzz check chaos rolling bench load eval migrate admin format lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-9s%s\n", $$1, $$2 }' Makefile

run: $(RUN_STAMP) ## Migrate the database and start the service; Ctrl-C lets running answers finish
	@$(BIN)/python -m app.cli migrate
	@exec $(BIN)/python -m app.main

test: install ## Run the tests on all cores; `make test ARGS="-k stream"` passes on to pytest. With CI=true a skip is a failure
	@$(PYTEST) $(if $(ARGS)$(TEST_REDIS_URL),$(ARGS),$(ON_ALL_CORES) $(AGAIN) --ignore $(ALONE))
	@$(if $(ARGS)$(TEST_REDIS_URL),,$(PYTEST) $(ALONE))

fuzz: $(TEST_STAMP) ## Send generated requests to the whole API; FUZZ_EXAMPLES=200 for each route, FUZZ_SEED=7 for a run again
	@export FUZZ_EXAMPLES="$${FUZZ_EXAMPLES:-100}" FUZZ_SEED="$${FUZZ_SEED:-$$(date +%s)}" \
		&& echo "FUZZ_EXAMPLES=$$FUZZ_EXAMPLES FUZZ_SEED=$$FUZZ_SEED" && $(BIN)/python -m pytest tests/fuzz $(ARGS)

chaos: $(TEST_STAMP) ## Break everything for a while and check that nothing was lost: `make chaos SEED=7 MINUTES=3 FAULTS=30 CLIENTS=120`
	@$(BIN)/python -m tests.simulation --seeds $(or $(WORLDS),10000)
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(FAULTS),--faults $(FAULTS)) $(if $(CLIENTS),--clients $(CLIENTS)) $(ARGS)

rolling: $(TEST_STAMP) ## Restart two instances in turn under open streams: `make rolling STREAMS=200 TIMES=20`
	@$(BIN)/python -m tests.chaos.rolling $(if $(STREAMS),--streams $(STREAMS)) $(if $(TIMES),--times $(TIMES)) $(ARGS)

check: $(TEST_STAMP) ## Lint, formatting, types, the direction of imports, migrations against the models
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@echo 'alembic check, on a throwaway database'
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && export DATABASE_URL="sqlite:///$$folder/check.db" \
		&& $(BIN)/alembic upgrade head && $(BIN)/alembic check

bench: $(TEST_STAMP) ## Measure what the relay costs beside a bare relay and tutorial code; ARGS="--help" lists the options
	@$(BIN)/python -m tests.bench $(ARGS)

load: $(TEST_STAMP) ## Measure what one worker holds: users, open streams, readers that do not read, documents beside chats; ARGS="--help" lists the options
	@$(BIN)/python -m tests.load $(ARGS)

eval: $(TEST_STAMP) ## Measure how well documents are read and found, on public sets: `make eval DATA=<folder>`; ARGS="--help" lists the options
	@$(BIN)/python -m tests.eval "$(DATA)" $(ARGS)

install: $(TEST_STAMP) $(LANGCHAIN_STAMP) $(NPM_STAMP) ## Install all that the other targets install on their way; `make -j install` at once

worker: $(RUN_STAMP) ## Read documents for a service with JOBS=celery; as many of these as are needed
	@exec $(BIN)/python -m app.worker

migrate: $(RUN_STAMP) ## Bring the database of DATABASE_URL to the newest schema
	@$(BIN)/python -m app.cli migrate

admin: $(RUN_STAMP) ## Make an administrator, or make one of a user: `make admin EMAIL=you@example.com`
	@$(BIN)/python -m app.cli create-admin "$(EMAIL)"

format: $(TEST_STAMP) ## Fix what can be fixed by machine, then format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## Write the locks from pyproject.toml and tests/clients/langchain.in, with uv; `make lock ARGS=--upgrade` takes newer versions
	@command -v $(UV) >/dev/null || { echo 'make lock needs uv: pip install uv, or UV=/path/to/uv' >&2; exit 1; }
	$(COMPILE) --extra celery --extra mysql --extra s3 --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra test --constraint requirements.lock --output-file tests/requirements.lock pyproject.toml
	$(COMPILE) --output-file tests/clients/langchain.lock tests/clients/langchain.in

clean: ## Remove the virtual environment and all caches; data stays
	rm -rf $(VENV) $(LANGCHAIN) tests/clients/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
	find app tests alembic -name __pycache__ -type d -prune -exec rm -rf {} +

$(TEST_STAMP): $(BIN)/python requirements.lock tests/requirements.lock
	@echo 'Installing tests/requirements.lock'
	@$(INSTALL) tests/requirements.lock
	@touch $(RUN_STAMP) $@

$(RUN_STAMP): $(BIN)/python requirements.lock
	@echo 'Installing requirements.lock'
	@$(INSTALL) requirements.lock
	@touch $@

$(LANGCHAIN_STAMP): tests/clients/langchain.lock | $(BIN)/python
	@echo 'Installing $<'
	@$(BIN)/python -m venv --clear $(LANGCHAIN)
	@$(LANGCHAIN)/bin/python $(PIP) $(NEW_PIP)
	@$(LANGCHAIN)/bin/python $(PIP) --no-compile --require-hashes -r $<
	@touch $@

tests/clients/node_modules/.installed: tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc
	@echo 'Installing tests/clients/package-lock.json'
	@cd tests/clients && npm ci --silent --no-audit --no-fund
	@touch $@

# A link, missing or dangling when the Python behind it has gone. Version managers leave commands that only fail.
$(BIN)/python:
	@for python in $(PYTHON); do \
		"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		echo "Making $(VENV) with $$("$$python" --version)"; \
		"$$python" -m venv --clear $(VENV) && exec $(BIN)/python $(PIP) $(NEW_PIP); \
	done; \
	echo 'No Python 3.11 or newer with the venv module among: $(PYTHON).' >&2; \
	echo 'Install one (on Debian: apt install python3 python3-venv) or name it: PYTHON=/path/to/python' >&2; \
	exit 1
