# Every target installs what it needs first. `make` alone lists them.
.DEFAULT_GOAL := help
PY := .venv/bin/python
WORKERS ?= 2

# Tests that need no real OpenStack, no foreign clients and no kubeadm. Workers take whole modules, in the order of
# tests/conftest.py.
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder --durations=15

.PHONY: help setup demo sandbox check test lint test-openstack test-clients test-kubeadm fuzz bench docs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## make .venv from uv.lock
	@scripts/setup.sh

demo: setup ## the main job on the sandbox: a 100-node cluster from request to credentials, and away again
	@.venv/bin/jeroboam demo

sandbox: setup ## all of Jeroboam and a simulated OpenStack on this machine, until Ctrl-C
	@.venv/bin/jeroboam sandbox

check: lint ## what a change should pass at every save: lint, and the tests that need no server
	$(PYTEST) tests/architecture tests/unit tests/property --ignore tests/property/api

lint: setup ## ruff, mypy --strict, import rules
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

test: setup ## all tests that need no real OpenStack, and branch coverage; fetches RabbitMQ where there is none
	@$(PY) -m sandbox.rabbitmq ensure
	$(PYTEST) -m "not openstack and not clients and not kubeadm and not fuzz" --cov

test-openstack: setup ## end to end on a real OpenStack from Debian packages (root, Debian 12); DOWN=1 stops it after
	@scripts/test-openstack.sh $(if $(DOWN),--down)

test-clients: setup ## Magnum's acceptance suite, rally, gophercloud, and databases of real Magnums, each in its own environment
	@scripts/test-clients.sh

test-kubeadm: setup ## the node's scripts against a real kubeadm cluster (root, Debian 12; builds Kubernetes 1.20 once)
	@scripts/test-kubeadm.sh

fuzz: setup ## 20,000 requests and more made from the OpenAPI document, every answer checked
	$(PY) -m pytest -m fuzz -s tests/fuzz

bench: setup ## every benchmark, with results printed
	@$(PY) -m benchmarks

docs: setup ## the documentation site in site/; fails on a broken link and on a page missing from the navigation
	@UV_PYTHON_DOWNLOADS=never .venv/bin/uv sync -q --frozen --inexact --all-extras --group docs --python $(PY)
	@$(PY) scripts/build_docs.py
	@.venv/bin/zensical build --clean --strict

clean: ## forget the environment and caches
	rm -rf .venv .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .jeroboam build site
