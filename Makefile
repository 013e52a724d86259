# SPDX-License-Identifier: Apache-2.0
#
# One verb per job; each sets up what it needs and can be run twice. No logic here: the scripts in
# .ci/ do the work, and CI calls the same verbs.

SHELL := /bin/bash
INVENTORY ?= inventories/lab
PERSONALITY ?= firewall
BENCH ?= all

# The checkout must never shadow the installed package (`python -m` puts the current folder first).
export PYTHONSAFEPATH := 1
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := build
.PHONY: help build deploy verify undeploy test test-sanitize mutation lint format bench image \
	test-image clean

help: ## list the verbs
	@sed -nE 's/^([a-z-]+):.*## /  make \1\t/p' Makefile | expand -t 24

build: ## build in place: leaves .venv/bin/stellar (needs no root once its packages are there)
	@.ci/bootstrap build

deploy: ## deploy the appliance and show it working (root); INVENTORY= PERSONALITY=
	@.ci/bootstrap build lab
	@.ci/appliance deploy "$(INVENTORY)" "$(PERSONALITY)"

verify: ## prove by testinfra that what is deployed does its work (root); INVENTORY= PERSONALITY=
	@.ci/bootstrap build lab
	@.ci/appliance verify "$(INVENTORY)" "$(PERSONALITY)"

undeploy: ## take everything away again (root); INVENTORY= PERSONALITY=
	@.ci/bootstrap build lab
	@.ci/appliance undeploy "$(INVENTORY)" "$(PERSONALITY)"

test: ## every test that this machine can run; PYTEST= passes arguments on
	@.ci/bootstrap build --wanted test lab
	@.venv/bin/pytest $(PYTEST)

test-sanitize: ## the C tests and a replay of every capture under ASan and UBSan
	@.ci/bootstrap build
	@.ci/sanitize

mutation: ## plant mutations in the data path: each must be caught by a test (long)
	@.ci/bootstrap build
	@PYTHONSAFEPATH= .venv/bin/python tests/mutation/run.py

lint: ## the linters and the laws of the tree
	@.ci/bootstrap build --wanted test
	@.venv/bin/pytest tests/lint $(PYTEST)

format: ## rewrite C and Python in the project's format
	@.ci/bootstrap build
	@.ci/format

bench: ## measure beside the peers, write build/bench/NAME.json; BENCH=name
	@.ci/bootstrap build bench
	@.ci/bench "$(BENCH)"

image test-image:
	@echo "stellar: make $@ comes with the appliance image work and is not in this version" >&2; exit 2

clean: ## remove what building left (.venv too)
	@rm -rf build .venv
