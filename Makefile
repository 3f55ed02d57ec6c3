# `make help` shows what there is. All it takes is make and python3, 3.11 or newer; see CONTRIBUTING.md.
BIN := .venv/bin
READY := .venv/.installed
CODE := pipeline_kit tests dev benchmarks
.PHONY: help demo test unit lint fmt docs bench soundness soak stack-down clean

help: ## show this
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 14
$(READY): pyproject.toml constraints.txt
	python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[aws,dev]'
	@touch $@
demo: $(READY) ## the whole job on a real engine and registry, which are started if need be
	$(BIN)/python dev/demo.py
test: lint ## everything CI checks; the last line is pytest's
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov
unit: $(READY) ## the unit tests alone, in seconds
	$(BIN)/python -m pytest -q -n 2 tests/unit
lint: $(READY) ## style, types, import rules, workflow and action files
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	MYPYPATH=dev:tests:benchmarks $(BIN)/mypy --strict --explicit-package-bases $(CODE)
	$(BIN)/lint-imports --no-logo
	$(BIN)/python dev/lint_workflows.py
fmt: $(READY) ## format, and apply the linter's safe corrections
	$(BIN)/ruff check --fix $(CODE) && $(BIN)/ruff format $(CODE)
docs: $(READY) ## write the generated files below docs/ anew
	$(BIN)/python dev/write_docs.py
bench: $(READY) ## measure beside the tools people use now; prints a table
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/tags.py
soundness: $(READY) ## 2,000 random changes: where BuildKit makes something else, the tag must differ
	PYTHONPATH=tests:dev $(BIN)/python -m soundness.run --changes 2000 --seed 20240613
soak: $(READY) ## 500 runs over a registry that fails a fifth of all requests; 50 runs killed in the middle
	PYTHONPATH=tests:dev $(BIN)/python -m faults.run --runs 500 --kills 50 --seed 20240613
stack-down: ## stop the engine and registry that were started here
	python3 dev/stack.py down
clean: ## remove what was generated; .venv and the stack's downloads stay
	rm -rf .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
