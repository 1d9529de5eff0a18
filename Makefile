# Two commands are enough: `make demo` and `make test`. They need Python 3.11 or newer, nothing else.
# `make help` lists the rest. Arguments travel in ARGS: make run ARGS="--server.port=0".

SHELL := /bin/sh
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

# A stamp is named after what was installed and where, so changing the lock or a pyproject.toml installs
# again: the libraries in about half a minute, our own editable distributions in a few seconds.
LIBRARIES := .venv/.libraries-$(shell (pwd; cat requirements.lock) | cksum | tr ' ' '-')
PEERS := .venv/.peers-$(shell cat benchmarks/requirements.lock requirements.lock | cksum | tr ' ' '-')
READY := .venv/.ready-$(shell cat requirements.lock pyproject.toml starters/*/pyproject.toml | cksum | tr ' ' '-')

.DEFAULT_GOAL := help
.PHONY: help demo run test check acceptance soak bench docs lock clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | awk -F '\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: $(READY) ## start the sample application on real data and print its URLs; Ctrl-C ends everything
	@exec $(BIN)/python -m sample_app.demo $(ARGS)

run: $(READY) ## start one node of the sample application
	@exec $(BIN)/af run sample_app.main:app $(ARGS)

test: $(READY) ## run the default suite
	@$(BIN)/python -m pytest -m "not acceptance and not soak" -n 2 --dist loadgroup $(ARGS)

check: $(READY) ## check style, types, import layers and import budgets
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy --strict tests/typing
	@$(BIN)/python -m pytest tests/architecture $(ARGS)

acceptance: $(READY) ## run every scenario on real processes (up to 45 minutes)
	@$(BIN)/python -m pytest tests/acceptance $(ARGS)
	@$(BIN)/python -m pytest -m acceptance --ignore tests/acceptance $(ARGS)

soak: $(READY) ## run the property tests and the soak tests on seeds by the thousand
	@$(BIN)/python -m pytest -m "soak or hypothesis" --hypothesis-profile soak $(ARGS)

bench: $(READY) $(PEERS) ## measure ratios against raw engines, write benchmarks/results.md
	@exec $(BIN)/python -m benchmarks $(ARGS)

docs: $(READY) ## write the generated pages again, then check every link and example
	@$(BIN)/python -m pytest --rewrite tests/architecture $(wildcard tests/docs)
	@$(BIN)/python -m pytest tests/architecture $(wildcard tests/docs)

lock: .make/uv/bin/uv ## resolve requirements.lock again (newer versions: make lock ARGS=--upgrade)
	@.make/uv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
		--quiet --output-file requirements.lock $(ARGS)
	@.make/uv/bin/uv pip compile pyproject.toml --extra bench --universal --python-version 3.11 \
		--constraint requirements.lock \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
		--quiet --output-file benchmarks/requirements.lock $(ARGS)
	@! grep -nE 'https?://|file:' requirements.lock benchmarks/requirements.lock

clean: ## remove everything that the other targets made
	rm -rf .venv .make .app build dist docs/site .mypy_cache .ruff_cache .hypothesis .pytest_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): $(LIBRARIES)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		-e . -e starters/server -e starters/test
	@rm -f .venv/.ready-*
	@touch $@

$(LIBRARIES):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "app-framework needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name a newer one: make PYTHON=python3.12 <target>" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { \
		echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing the libraries of requirements.lock into .venv (once, about half a minute)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes --only-binary :all: -r requirements.lock
	@touch $@

# What the engine is compared with. Where it cannot be installed the lines about it say so, and the others are measured.
$(PEERS): $(READY)
	@echo "installing what the engine is compared with (once)" >&2
	@rm -f .venv/.peers-*
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes --only-binary :all: -r benchmarks/requirements.lock; \
	then touch $@; else echo "it could not be installed" >&2; fi

.make/uv/bin/uv:
	@$(PYTHON) -m venv .make/uv
	@.make/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
