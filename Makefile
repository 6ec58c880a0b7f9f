# What one does here; `make` alone lists it.
SHELL := /bin/bash
BIN := .venv/bin
SURVIVAL := tests/live/test_survival.py
DAMAGE := $(addprefix tests/live/,test_ledger.py test_another_topic.py test_health.py test_kept_streams.py test_owners.py \
	test_troubles.py)
EXPLORED := $(addprefix tests/laws/,test_poisons.py test_stream_equals_batch.py test_identity.py)
.DEFAULT_GOAL := help
.PHONY: help setup demo check test live live-stack live-parts live-survival live-damage live-console test-sdk test-cluster explore golden bench recording sdk lock sbom clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing: Python packages, jars, Java
	@bin/setup

demo: setup ## start every part, break things, find what broke (ONCE=1: stop when it held)
	@$(BIN)/qoescope demo $(if $(ONCE),--once)

check: ## format, lint, types, import contracts and every test that needs no service
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 -m "not live and not sdk"

test: ## set up, then everything: check, and the tests against real services (LOAD=2: beside so many busy loops)
	@bin/setup test
	@bin/beside $(or $(LOAD),0) $(MAKE) --no-print-directory check test-sdk live

live: # the tests against real services, three groups at a time
	@$(MAKE) --no-print-directory -j 3 live-parts live-damage live-stack live-survival live-console

live-stack: # the live tests that share one whole stack
	$(BIN)/pytest -m "live and whole_stack"

live-parts: # the live tests that start the parts they need
	$(BIN)/pytest -m "live and not whole_stack and not month" $(addprefix --ignore ,$(SURVIVAL) $(DAMAGE))

live-survival: # those that kill, cut and fill up, on a stack of their own
	$(BIN)/pytest -m live $(SURVIVAL)

live-damage: # those that damage state by hand, or take it from its owner, and see who tells
	$(BIN)/pytest -m live $(DAMAGE)

live-console: # those that open the console, and ask its API, on a month of marts
	$(BIN)/pytest -m "live and month"

test-sdk: ## the web client: types, sizes, ES5, vectors, and its package in a fresh project
	@bin/setup test
	$(BIN)/pytest -m sdk

test-cluster: setup ## a Spark cluster, three brokers and an object store: machines die, the books hold
	$(BIN)/pytest -m cluster tests/cluster

explore: ## odd requests at the door and the laws, many and fresh; what fails says how to see it again
	$(BIN)/pytest --times 50 tests/live/test_ingest_fuzz.py
	$(BIN)/pytest --hypothesis-profile=explore --hypothesis-show-statistics -n 2 $(EXPLORED)

golden: ## rewrite tests/golden; a person reads the difference
	GOLDEN=1 $(BIN)/pytest tests/golden
	@git --no-pager diff --stat tests/golden docs deploy

bench: ## measure, beside peers in the same run
	@bin/setup bench
	@$(BIN)/qoescope bench

recording: ## beside a demo that is up: walk through its console and film it, for README
	@$(BIN)/python tests/tour.py

sdk: ## build the web client, and put it where the collector serves it from
	@bin/setup test
	npm --prefix sdk/web run build
	cp $(addprefix sdk/web/dist/qoescope,.js .js.map .d.ts) src/qoescope/ingest/static/

lock: ## resolve again: requirements.lock and jars.lock
	@bin/setup lock

sbom: ## write dist/qoescope.cdx.json: every package and jar of the two locks, with their digests
	@mkdir -p dist && bin/sbom >dist/qoescope.cdx.json && echo dist/qoescope.cdx.json

clean: ## forget every state: var/
	@rm -rf var
