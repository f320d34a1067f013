# For a machine with Python 3.11 or 3.12 and make:
#   make demo   installs into .venv and runs the main job on the built-in corpus
#   make install-tpu   installs into .venv on a TPU VM (docs/tpu.md)
#   make test   installs what the tests need and runs them all
#   make bench  measures beside Transformers, OpenVINO and others (docs/benchmarks.md)
# The first interpreter that runs and has a version TensorFlow is pinned for.
PYTHON ?= $(shell for name in python3.11 python3.12 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' \
	2>/dev/null && echo $$name && break; done)
BIN := .venv/bin

.PHONY: demo install-tpu test lint bench clean

demo: .venv/installed
	$(BIN)/biobert demo --output_dir=runs/demo

# Another TensorFlow in .venv would share its folder, so it is removed first.
install-tpu:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or 3.12 found; say PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip uninstall --quiet --yes tensorflow tensorflow-tpu
	$(BIN)/python -m pip install --quiet -r requirements-tpu.txt
	touch .venv/installed
	$(BIN)/biobert doctor

test: lint
	$(BIN)/python -m pytest

lint: .venv/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy biobert_tf benchmarks run_ner.py run_re.py run_qa.py run_pretraining.py \
		setup.py

# Flags, such as BENCH='--quick --only=training,start'.
bench: .venv/installed-bench .venv-bench/installed
	$(BIN)/python -m benchmarks.peers --peers=.venv-bench/bin/python $(BENCH)

# The stamps keep a second run off the network.
.venv/installed: setup.py constraints.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or 3.12 found; say PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

# What writes and reads Transformers' files.
.venv/installed-bench: .venv/installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[huggingface,openvino]'
	touch $@

.venv-bench/installed: benchmarks/requirements-peers.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or 3.12 found; say PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet -r $<
	touch $@

clean:
	rm -rf .venv .venv-bench runs build *.egg-info
