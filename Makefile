# Every target first installs what it needs. `make` without a target lists them.
.DEFAULT_GOAL := help
PY := .venv/bin/python
# More workers than cores: much of a test is waiting for processes.
WORKERS ?= 3

# Tests that need no real OpenStack, no foreign clients and no kubeadm. Workers take whole modules, in the order of
# tests/conftest.py.
ALL_CORES := -n $(WORKERS) --dist loadscope --no-loadscope-reorder --durations=15
PYTEST := $(PY) -m pytest $(ALL_CORES)
OF_TEST := "not openstack and not clients and not kubeadm and not swarm and not compose and not fuzz"

.PHONY: help setup demo sandbox check test coverage lint test-openstack test-clients test-kubeadm test-swarm \
	test-compose test-soak compose-demo fuzz bench docs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## create .venv from uv.lock
	@scripts/setup.sh

demo: setup ## create a 100-node cluster on the sandbox, get its credentials, delete it
	@.venv/bin/jeroboam demo

sandbox: setup ## run all of Jeroboam and a simulated OpenStack on this machine until Ctrl-C
	@.venv/bin/jeroboam sandbox

check: lint ## what a change should pass at every save: lint, and the tests that need no server
	$(PYTEST) tests/architecture tests/unit tests/property --ignore tests/property/api

lint: setup ## ruff, mypy --strict, import rules, promises of the event catalog
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	$(PY) -m scripts.event_catalog

test: setup ## all tests that need no real OpenStack; downloads RabbitMQ if it is not installed
	@$(PY) -m sandbox.rabbitmq ensure
	$(PY) -m scripts.run_tests $(ALL_CORES) -m $(OF_TEST)

# Apart from `make test`: it takes half as long again, and on Python 3.11 two threads that begin at the same time can make
# tracing fail ("Cannot install a trace function"), which fails a test that has nothing to do with it.
coverage: setup ## the tests of `make test` once more, with branch coverage and its floor
	@$(PY) -m sandbox.rabbitmq ensure
	$(PYTEST) -m $(OF_TEST) --cov

test-openstack: setup ## end-to-end tests on a real OpenStack from Debian packages (root, Debian 12); DOWN=1 stops it afterwards
	@scripts/test-openstack.sh $(if $(DOWN),--down)

test-clients: setup ## Magnum's acceptance suite, rally, gophercloud, databases of real Magnums; each in its own environment
	@scripts/test-clients.sh

test-kubeadm: setup ## node scripts on a real kubeadm cluster (root, Debian 12; builds Kubernetes 1.20 once)
	@scripts/test-kubeadm.sh

test-swarm: setup ## real Docker Swarm clusters on machines that share this kernel (root, Debian 12; builds their root once)
	@scripts/test-swarm.sh

test-compose: setup ## the containers of deploy/ on a Docker engine of its own (root, Debian 12)
	@scripts/test-compose.sh

test-soak: setup ## users and faults side by side for SECONDS (default 900), then an audit; a short form is part of `make test`
	@$(PY) -m sandbox.rabbitmq ensure
	JEROBOAM_TEST_SOAK_SECONDS=$(or $(SECONDS),900) $(PY) -m pytest -s tests/soak

compose-demo: setup ## start the containers of deploy/, create a cluster, get its credentials, delete it; KEEP=1 leaves them running
	@scripts/compose-demo.sh

fuzz: setup ## more than 20,000 requests generated from the OpenAPI document; every response is checked
	$(PY) -m pytest -m fuzz -s tests/fuzz

bench: setup ## run all benchmarks and print the results
	@$(PY) -m benchmarks

docs: setup ## build the documentation site in site/; fails on broken links and on pages missing from the navigation
	@UV_PYTHON_DOWNLOADS=never .venv/bin/uv sync -q --frozen --inexact --all-extras --group docs --python $(PY)
	@$(PY) scripts/build_docs.py
	@.venv/bin/zensical build --clean --strict

clean: ## delete the environment, caches and build results
	rm -rf .venv .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .jeroboam build site
