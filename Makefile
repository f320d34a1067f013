# For a machine with Python 3.11, 3.12 or 3.13 and make:
#   make demo   installs into .venv and runs the main job on the built-in corpus
#   make install-tpu   installs into .venv on a TPU VM (docs/tpu.md)
#   make test   installs what the tests need and runs them all
#   make test PYTHON=python3.13   the same with this Python, in .venv-python3.13
#   make test-pythons             the same with each of these Pythons that is here
#   make faults N=50   injects so many faults into each command (docs/reliability.md)
#   make fuzz N=2000  reads so many damaged files per reader (docs/reliability_input.md)
#   make lock   pins anew what these install (SECURITY.md)
#   make bench  measures beside Transformers, OpenVINO and others (docs/benchmarks.md)
# The first interpreter that runs and has a version TensorFlow is pinned for.
PYTHONS := python3.11 python3.12 python3.13
PYTHON ?= $(shell for name in $(PYTHONS) python3 python; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo $$name && break; done)
VENV := $(if $(filter command line,$(origin PYTHON)),.venv-$(notdir $(PYTHON)),.venv)
BIN := $(VENV)/bin

.PHONY: demo install-tpu test tests test-pythons lint faults fuzz lock bench clean

demo: $(VENV)/installed
	$(BIN)/biobert demo --output_dir=runs/demo

# Another TensorFlow in the environment would share its folder: it is removed first.
install-tpu:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 to 3.13 found; say PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip uninstall --quiet --yes tensorflow tensorflow-tpu
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-tpu.lock
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e . ./tpu
	touch $(VENV)/installed
	$(BIN)/biobert doctor

# Side by side: the types take a minute of one processor.
test: $(VENV)/installed-test
	$(MAKE) --jobs=2 lint tests

tests: $(VENV)/installed-test
	$(BIN)/python -m pytest -n auto --dist loadfile

test-pythons:
	for name in $(PYTHONS); do if $$name --version 2>/dev/null; then \
		$(MAKE) test PYTHON=$$name || exit 1; fi; done

lint: $(VENV)/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy biobert_tf benchmarks run_ner.py run_re.py run_qa.py run_pretraining.py \
		setup.py

# Flags, such as FAULTS='--cases=ner,corpus --seed=2'; --record writes the page's table.
faults: $(VENV)/installed-test
	PYTHONPATH=tests $(BIN)/python -m faults --number=$(or $(N),50) $(FAULTS)

fuzz: $(VENV)/installed-test
	BIOBERT_FUZZ=$(or $(N),2000) $(BIN)/python -m pytest -s tests/fuzz/test_readers.py

# With uv, which installs nothing here: pip install uv. First change constraints.txt.
LOCK := uv pip compile setup.py --universal --python-version=3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --quiet --constraint=constraints.txt
lock:
	$(LOCK) --output-file=requirements.lock > /dev/null
	$(LOCK) --output-file=requirements-test.lock --extra=test > /dev/null
	grep == requirements-tpu.txt | $(LOCK) - --override=tpu/override.txt \
		--output-file=requirements-tpu.lock > /dev/null

# Flags, such as BENCH='--quick --only=training,start'.
bench: $(VENV)/installed-bench .venv-bench/installed
	$(BIN)/python -m benchmarks.peers --peers=.venv-bench/bin/python $(BENCH)

# The stamps keep a second run off the network.
# Nothing is resolved, and every file must have a hash of the lock.
$(VENV)/installed: setup.py requirements.lock
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 to 3.13 found; say PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r $(word 2,$^)
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed requirements-test.lock
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r $(word 2,$^)
	touch $@

# What writes and reads Transformers' files.
$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[huggingface,openvino]'
	touch $@

.venv-bench/installed: benchmarks/requirements-peers.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 to 3.13 found; say PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet -r $<
	touch $@

clean:
	rm -rf .venv .venv-* runs build *.egg-info
