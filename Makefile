# Every target sets up what it needs; the only thing that must be installed is Python 3.11 or 3.12.
PYTHON ?= python3
# That of NVIDIA's images.
IMAGE_PYTHON ?= python3.12
UV := .venv-tools/bin/uv
BIN := .venv/bin
SYSTEM ?= product
ARTIFACTS ?= artifacts
# Two files at a time: servers, trainings and their shared fixtures take a core and some memory each.
TWO_WORKERS := --numprocesses 2 --dist loadfile
UV_VERSION := 0.13.9
UV_LOCK_FLAGS := --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11
# NVIDIA's images have Python 3.12. Those for GPUs bring TensorRT; its wheels fetch libraries while they are built, so
# that no lock can have them.
UV_IMAGE_LOCK_FLAGS := $(subst 3.11,3.12,$(UV_LOCK_FLAGS)) --python-platform x86_64-manylinux_2_39

export TRIFUSE_SERVER_ENVIRONMENT ?= $(CURDIR)/.venv-server

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show what you can make
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: environment ## Generate data, train, export, publish, serve, search: the whole path in minutes
	$(BIN)/python build/demo.py $(SYSTEM) --artifacts $(ARTIFACTS)

.PHONY: serve
serve: environment ## Serve artifacts/model_repository on loopback until Ctrl-C
	$(BIN)/trifuse serve --repository $(ARTIFACTS)/model_repository

.PHONY: pipeline
pipeline: environment ## Train, distil, prune, quantise, publish and report what is out of date (SYSTEM=product)
	$(BIN)/python build/pipeline.py $(SYSTEM) --artifacts $(ARTIFACTS)

.PHONY: bench
bench: environment ## Measure the latency of a running server (SYSTEM=product)
	$(BIN)/python benchmarks/latency.py $(SYSTEM)

.PHONY: test
test: environment ## Run all tests but those that need a GPU
	$(BIN)/pytest $(TWO_WORKERS) tests/core tests/torch tests/triton

.PHONY: check
check: environment ## Lint, type-check and run the fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q $(TWO_WORKERS) -m "not slow" tests/core

.PHONY: containers
containers: .venv-containers/.complete ## Lint the container files, import what the server image imports
	.venv-containers/bin/hadolint docker/*.Dockerfile
	.venv-containers/bin/shellcheck docker/serve.sh
	.venv-containers/bin/docker-compose --file docker/compose.yaml --profile cpu --profile gpu --profile build config --quiet
	.venv-containers/bin/python docker/import_shims.py

.PHONY: soak
soak: environment ## Run the long load test (SOAK_MINUTES=10)
	$(BIN)/pytest -s tests/soak

.PHONY: lock
lock: $(UV) ## Resolve the dependencies anew into locks/
	$(UV) pip compile $(UV_LOCK_FLAGS) --universal pyproject.toml --extra client --extra retrieval --extra build --extra cpu --extra bench --extra test --extra dev -o locks/development.txt
	$(UV) pip compile $(UV_LOCK_FLAGS) docker/embedded-requirements.txt -o locks/server.txt
	$(UV) pip compile $(UV_IMAGE_LOCK_FLAGS) docker/server-requirements.txt -o locks/container.txt
	$(UV) pip compile $(UV_IMAGE_LOCK_FLAGS) docker/tools-requirements.txt -o locks/container-tools.txt
	echo "tensorrt; python_version < '3'" | $(UV) pip compile $(UV_IMAGE_LOCK_FLAGS) --override - pyproject.toml --extra client --extra retrieval --extra build --extra gpu -o locks/gpu.txt

.PHONY: clean
clean: ## Remove the environments; artifacts stay
	rm -rf .venv .venv-server .venv-containers .venv-tools

.PHONY: environment
environment: .venv/.complete .venv-server/.complete

.venv/.complete: locks/development.txt pyproject.toml | $(UV)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --python $(BIN)/python locks/development.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv-server/.complete: locks/server.txt | $(UV)
	@test -x .venv-server/bin/python || $(UV) venv --quiet --python $(PYTHON) .venv-server
	$(UV) pip sync --python .venv-server/bin/python locks/server.txt
	@touch $@

.venv-containers/.complete: locks/container.txt locks/container-tools.txt | $(UV)
	@test -x .venv-containers/bin/python || $(UV) venv --quiet --python $(IMAGE_PYTHON) --no-python-downloads .venv-containers \
		|| { echo "error: $(IMAGE_PYTHON) cannot be used, and the server image has Python 3.12. Try: make IMAGE_PYTHON=PATH containers" >&2; exit 1; }
	$(UV) pip sync --python .venv-containers/bin/python locks/container.txt locks/container-tools.txt
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in [(3, 11), (3, 12)])' \
		|| { echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1 || echo missing); Trifuse needs Python 3.11 or 3.12. Try: make PYTHON=python3.11 …" >&2; exit 1; }
	@$(PYTHON) -m venv .venv-tools \
		|| { rm -rf .venv-tools; echo "error: $(PYTHON) cannot make virtual environments. Install the system package: apt-get install $(notdir $(PYTHON))-venv" >&2; exit 1; }
	@.venv-tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
