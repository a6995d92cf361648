# Everything a contributor or a CI machine runs. `make help` lists it.
# Needs make and a Python >= 3.11 with venv; the rest is fetched into ./.venv, hashed.

# More than the cores: tests of daemons mostly wait.
PYTEST_WORKERS ?= 6
PYTEST_ARGS    ?=
DEMO_ARGS      ?=
# make sim SEED=7 N=20: seeds 7 to 26. SIM_ARGS="feeder33 --faults crash --slots 4" for another community.
SEED           ?= 1
N              ?= 1
SIM_ARGS       ?=
HUNT_ARGS      ?=
FLOOD_ARGS     ?=
DIST_ARGS      ?=
FUZZ_ARGS      ?=
SELFTEST_ARGS  ?=
# What proto/ is compared with: auto (the last release tag, else HEAD), a git ref, or none.
PROTO_AGAINST  ?= auto

# What a container image may have beside [node], see deploy/Containerfile.
IMAGE_EXTRAS   := lg mqtt otel

PY       := .venv/bin/python
TOOLS_PY := .tools-venv/bin/python
READY    := .venv/.ready
TOOLS    := .tools-venv/.ready
UV_LOCK  := env UV_NO_CONFIG=1 .tools-venv/bin/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 \
            --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: spec help setup demo test check static fmt fmt-check lint types layers spec-lint \
        proto proto-check vectors fsm lock clean sim hunt mutants mutant-routers hunt-kill flood fuzz dist docs second-opinion selftest

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## create ./.venv and install everything demo, test and check need

$(READY): requirements.txt pyproject.toml tools/make_venv.sh
	@sh tools/make_venv.sh
	@touch $@

# The code generator wants another protobuf than we run with, so it lives apart.
$(TOOLS): requirements-tools.txt | $(READY)
	@test -x $(TOOLS_PY) || $(PY) -m venv .tools-venv
	@$(TOOLS_PY) -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements-tools.txt
	@touch $@

demo: $(READY) ## run the village for two days, each bus its own router (DEMO_ARGS="feeder33 --out DIR")
	@.venv/bin/ioe demo $(DEMO_ARGS)

sim: $(READY) ## simulate a community with faults (SEED=7 N=20 SIM_ARGS="feeder33 --faults all")
	@seed=$(SEED); while [ $$seed -lt $$(( $(SEED) + $(N) )) ]; do \
	    .venv/bin/ioe sim $(SIM_ARGS) --seed $$seed || exit 1; seed=$$(( seed + 1 )); \
	done

hunt: $(READY) ## run thousands of seeds; goes on where it stopped (HUNT_ARGS="--seeds 500 --file FILE")
	@$(PY) tools/hunt.py $(HUNT_ARGS)

hunt-kill: $(READY) ## kill real daemons a hundred times while they trade
	@for round in 1 2 3 4; do IOE_KILLS=25 $(PY) -m pytest -q tests/e2e/test_kill9.py || exit 1; done

selftest: $(READY) ## is the conformance kit to be believed? reference router, servers that are none (SELFTEST_ARGS=--full)
	@PYTHONPATH=.:interop $(PY) -m ioe_conformance selftest $(SELFTEST_ARGS)

fuzz: $(READY) ## fuzz every reader and the door; goes on where it stopped (FUZZ_ARGS="--minutes 60 --target wire")
	@test -d build/fuzz-lib/atheris || $(PY) -m pip --disable-pip-version-check install --quiet --no-deps \
	    --require-hashes --target build/fuzz-lib -r requirements-fuzz.txt || \
	    echo "fuzz: atheris could not be installed (message above); changes are drawn without coverage" >&2
	@PYTHONPATH=build/fuzz-lib nice -n 19 $(PY) tools/fuzz.py $(FUZZ_ARGS)

mutants: $(READY) ## put deliberate bugs into the product, see that the simulator finds them; writes docs/mutants.md
	@$(PY) -m tests.mutants.catalogue

mutant-routers: $(READY) ## deliberate bugs in the reference router, see that the conformance kit fails (MUTANT_ARGS="--workers 8")
	@PYTHONPATH=.:interop nice $(PY) -m mutants $(MUTANT_ARGS)

flood: $(READY) ## flood a daemon in twelve ways and see that an honest neighbour is served (FLOOD_ARGS="--kinds ids")
	@$(PY) -m benchmarks.flood $(FLOOD_ARGS)

test: $(READY) ## run the test suite (PYTEST_ARGS="-k admission")
	@$(PY) -m pytest -n $(PYTEST_WORKERS) --dist worksteal $(PYTEST_ARGS) tests

check: static test ## everything CI runs

static: fmt-check lint types layers spec-lint proto-check ## everything CI runs but the tests

fmt: $(READY) ## format Python and proto
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --quiet --select I --fix .
	@test ! -x .tools-venv/bin/buf || .tools-venv/bin/buf format --write proto

fmt-check: $(READY)
	@$(PY) -m ruff format --check --diff --quiet . || { echo "fmt-check: run make fmt" >&2; exit 1; }

lint: $(READY) ## ruff
	@$(PY) -m ruff check .

types: $(READY) ## mypy --strict on product, tools and tests
	@$(PY) -m mypy

layers: $(READY) ## import-linter: which package may import which
	@PYTHONPATH=interop .venv/bin/lint-imports --no-logo

spec-lint: $(READY) ## requirement ids, quotes in code, registries against proto/, every requirement covered
	@$(PY) tools/spec_lint.py
	@$(PY) tools/spec_register.py --check

proto: $(TOOLS) ## regenerate the code of proto/ (commit the result)
	@$(TOOLS_PY) tools/gen_proto.py

proto-check: $(READY) ## lint proto/, compare with the last release, check that generated code is current
	@if $(MAKE) --no-print-directory $(TOOLS); then \
	    $(TOOLS_PY) tools/check_proto.py --against "$(PROTO_AGAINST)"; \
	else \
	    echo "proto-check: NOT RUN, .tools-venv could not be made (message above); generated code stays unchecked" >&2; \
	fi

vectors: $(READY) ## regenerate interop/vectors (look at the diff before you commit it)
	@$(PY) tools/gen_vectors.py

second-opinion: $(READY) ## the Go codec of interop/go: format, vet, tests, its answers to all vectors
	@sh interop/go/check.sh $(PY)

spec: $(READY) ## rewrite the generated parts of SPEC.md (tables, worked example, appendices)
	@$(PY) tools/render_spec.py
	@$(PY) tools/render_fsm.py
	@$(PY) tools/spec_appendices.py
	@$(PY) tools/spec_register.py

fsm: $(READY) ## redraw docs/fsm from the transition tables
	@$(PY) tools/render_fsm.py

lock: $(TOOLS) ## resolve pyproject.toml into the hashed requirements files
	@$(UV_LOCK) pyproject.toml --extra node --extra mqtt --extra sim --extra discovery --extra lg --extra otel --group dev -o requirements.txt
	@$(UV_LOCK) --group pyproject.toml:tools -o requirements-tools.txt
	@$(UV_LOCK) --group pyproject.toml:fuzz -o requirements-fuzz.txt
	@$(UV_LOCK) --group pyproject.toml:dist -o requirements-dist.txt
	@$(UV_LOCK) --group pyproject.toml:docs -o requirements-docs.txt
	@for extra in node $(IMAGE_EXTRAS); do \
	    $(UV_LOCK) pyproject.toml --extra $$extra -c requirements.txt -o deploy/requirements/$$extra.txt || exit 1; \
	done
	@$(UV_LOCK) --group pyproject.toml:build -c requirements.txt -o deploy/requirements/build.txt

# The generator of the site lives apart; wheels only, each with its hash.
build/docs-env/.ready: requirements-docs.txt | $(READY)
	@test -x build/docs-env/bin/python || $(PY) -m venv build/docs-env
	@build/docs-env/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements-docs.txt
	@touch $@

docs: build/docs-env/.ready ## make the site of docs/ in build/site (also: pages that follow from the code)
	@$(PY) tools/gen_reference.py
	@$(PY) tools/make_docs.py

dist: $(READY) ## make a release in dist/: built twice, installed, bill of materials, audit (DIST_ARGS="--audit later")
	@$(PY) tools/dist.py $(DIST_ARGS)

clean: ## remove what was generated or cached, but no environment
	@rm -rf build dist demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	@find . -name __pycache__ -type d -not -path './.venv/*' -not -path './.tools-venv/*' -prune -exec rm -rf {} +
