# Two commands for a newcomer: `make demo` and `make test`.  Nothing but Python 3.11+, pip and make is needed.
PYTHON ?= python3
# Where torch wheels come from, if not from pip's own index: a CPU build is enough and ten times smaller, e.g.
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
# Processes that run tests; a file's tests stay in one, so that what they share is made once.
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
LITE := digits,ravdess_av,cremad_ratings
export OMP_NUM_THREADS ?= 1

.PHONY: help setup demo test test-slow lint format bench benchmark benchmark-lite docs dist clean

help: ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## Make .venv from constraints.txt

$(VENV)/.ready: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "md2n needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# Another index has its own choice of torch's requirements, so constraints are for the second step there.
	$(BIN)/python -m pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX),--constraint constraints.txt) \
	  "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup ## Train on digits, compare, recover a hidden view (about three minutes)
	$(BIN)/md2n demo --out demo

test: setup lint ## Lint, types, import contracts and the fast tests
	$(BIN)/pytest -n $(JOBS) --dist loadfile

test-slow: setup ## Everything, the slow tests too
	$(BIN)/pytest -n $(JOBS) --dist loadfile -m "slow or not slow"

lint: setup ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: setup ## Let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## Speed and size (benchmarks/); prints, asserts only counts and bytes
	$(BIN)/python -m benchmarks

benchmark: setup ## Train and measure everything in docs/benchmark.md (planned at sixteen CPU-hours; resumable)
	$(BIN)/python -m scripts.results run

benchmark-lite: setup ## Three methods on three sets, one split each, for contributors (about three minutes on two cores)
	$(BIN)/md2n benchmark --data $(LITE) --models md2n,modality_dropout,regression_fill --seeds 1 --folds 0 \
	  --protocol fixed --set trainer.steps=400 --set trainer.validations=4 --set trainer.batch_size=64 \
	  --set trainer.learning_rate=2e-3 --out runs/benchmark-lite

docs: setup ## Generated pages, then the site
	$(BIN)/python -m scripts.generate
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/mkdocs build --strict

dist: setup ## Build wheel and sdist, check them, and try the wheel in an environment of its own
	$(BIN)/python -m pip install --quiet build twine
	rm -rf dist && $(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	rm -rf build/try && $(PYTHON) -m venv build/try
	build/try/bin/python -m pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX),--constraint constraints.txt) \
	  "$$(grep '^torch==' constraints.txt)"
	build/try/bin/python -m pip install --quiet --constraint constraints.txt dist/*.whl
	cd build/try && ./bin/md2n doctor && ./bin/md2n train --data digits --set trainer.epochs=1 --out first \
	  && ./bin/md2n evaluate first --quiet

clean: ## Forget the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist site
