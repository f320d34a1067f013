# Two commands for a machine with Python 3.11 or 3.12 and make:
#   make demo   installs into .venv and runs the main job on the built-in corpus
#   make test   installs what the tests need and runs them all
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3 python,$(shell command -v $(name) 2>/dev/null)))
BIN := .venv/bin

.PHONY: demo test lint clean

demo: .venv/installed
	$(BIN)/biobert demo --output_dir=runs/demo

test: lint
	$(BIN)/python -m pytest

lint: .venv/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy biobert_tf benchmarks run_ner.py setup.py

# The stamps keep a second run off the network.
.venv/installed: setup.py constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv runs build *.egg-info
