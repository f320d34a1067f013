"""`biobert tpu-check`: what it compiles, and what a compiler that fails costs."""

import dataclasses
import importlib.util
import json
import re
from pathlib import Path

import pytest

from biobert_tf import problems
from biobert_tf.cli import main as cli
from biobert_tf.common.errors import InputError
from biobert_tf.model.encoder import PLACES
from biobert_tf.tpu import check, command, compiling, report, steps

ROOT = Path(__file__).parents[2]
NER = "run_ner.py --data_dir=none --output_dir=none --max_seq_length=16"
MISSING = [x for x in ("jax", "libtpu") if importlib.util.find_spec(x) is None]
# Stands in for the compiler: dies for one chip, finds more than 12 texts too many.
STAND_IN = """
import json, os, sys
step, chip, result = sys.argv[1:]
texts = json.load(open(step + ".json"))["arguments"][0]["shape"][0]
if chip == "v5p":
    print("no such operation", file=sys.stderr, flush=True)
    os.kill(os.getpid(), 11)
found = {"status": "fits", "seconds": 1.0, "argument_bytes": 2**30, "flops": 2e12}
found |= {"temporary_bytes": 2**31, "peak_bytes": 2**32, "bytes_moved": 3e9}
if texts > 12:
    found = {"status": "does not fit", "error": "large", "seconds": 1.0}
json.dump(found, open(result, "w"))
"""


def step_of(*words, kind="training", text_length=0):
    name, *words = words
    problem = next(each for each in problems.TRAINED if each.command == name)
    always = ["--data_dir=none", "--output_dir=none", "--max_seq_length=16"]
    found = steps.of_command(problem, [*always, *words], "tiny", text_length)
    return next(each for each in found if each.kind == kind)


@pytest.mark.skipif(bool(MISSING), reason="pip install '.[tpu-check]' for this test")
def test_a_training_and_a_prediction_compile_for_a_tpu(tmp_path, capsys):
    output = tmp_path / "found.json"
    own = ["--size=tiny", "--chips=v5e", f"--output={output}", "--"]
    flags = ["--train_batch_size=16", "--predict_batch_size=16"]
    cli.tpu_check(["biobert tpu-check", *own, *NER.split(), *flags])
    training, prediction = json.loads(output.read_text("utf-8"))["steps"]
    for entry, copies in ((training, 3), (prediction, 1)):
        found = entry["chips"]["v5e"]
        assert found["status"] == "fits"
        # The weights, and for a training two moments of each, in float32.
        sizes = steps.SIZES["tiny"]
        weights = sizes.num_hidden_layers * 12 * sizes.hidden_size**2
        assert 4 * copies * weights < found["argument_bytes"] < found["peak_bytes"]
        assert 1 <= found["flops"] / entry["counted_flops"] < 1.5
        assert (entry["rows"], entry["width"]) == (2, 16)
    said = capsys.readouterr().out
    assert said.count("  v5e  fits: ") == 2 and f"wrote {output}" in said
    assert output.with_suffix(".md").read_text("utf-8").count("| v5e |") == 2


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setattr(check, "PROGRAM", ["-c", STAND_IN])
    monkeypatch.setattr(check, "require", lambda: None)
    monkeypatch.setattr(check, "_PACKAGES", ("tensorflow", "numpy"))


def test_a_compiler_that_dies_costs_its_own_step(tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(report, "table", lambda results: "")
    output = tmp_path / "found.json"
    own = ["--size=tiny", "--chips=v5p,v5e", f"--output={output}", "--find_largest"]
    words = ["biobert tpu-check", *own, *NER.split(), "--train_batch_size=64"]
    with pytest.raises(InputError, match="1 steps fail"):
        cli.tpu_check([*words, "--do_predict=false"])
    results = json.loads(output.read_text("utf-8"))
    [entry] = results["steps"]
    assert entry["chips"]["v5p"]["status"] == "fails"
    assert "signal 11: no such operation" in entry["chips"]["v5p"]["error"]
    found = entry["chips"]["v5e"]
    assert found["largest_texts"] == 8 and found["tried_texts"] == [8, 16]
    assert "at most 8 texts per core, 64 in all" in report.text(results)
    # What has failed is compiled again, and nothing else.
    monkeypatch.setattr(check, "PROGRAM", ["-c", "raise SystemExit(3)"])
    with pytest.raises(InputError, match="1 steps fail"):
        cli.tpu_check([*words, "--do_predict=false"])
    [again] = json.loads(output.read_text("utf-8"))["steps"]
    assert "ended with status 3" in again["chips"]["v5p"]["error"]
    assert again["chips"]["v5e"] == found


@pytest.mark.parametrize("most", [0, 1, 7, 8, 100, 1000])
@pytest.mark.parametrize(("first", "unit"), [(1, 1), (24, 1), (6, 3)])
def test_the_largest_batch(most, first, unit):
    asked = []

    def fits(texts):
        asked.append(texts)
        return texts <= most

    found = check.largest(fits, first, unit)
    assert found <= most and found % unit == 0
    assert most - found < (unit * 8 if found >= unit * 8 else unit)
    assert len(asked) < 25


def test_a_core_gets_its_share_as_the_flags_say():
    step = step_of("ner", "--train_batch_size=96", "--num_tpu_cores=4")
    assert step.texts == 24 and step.unit == 1
    parts = step_of(
        "re",
        "--task_name=chemprot",
        "--do_train",
        "--train_batch_size=96",
        "--gradient_accumulation_steps=3",
        "--num_tpu_cores=8",
        "--mixed_precision=auto",
    )
    assert (parts.texts, parts.unit) == (12, 3)
    assert len(parts.planned.task.labels) == 6
    packed = step_of(
        "ner", "--pack_sequences=on", "--train_batch_size=96", text_length=5
    )
    specs = packed._training_specs()
    rows, width = specs[PLACES].shape
    assert rows < 12 == specs["input_ids"].shape[0] and width == 16
    # `auto` packs too, unless the texts fill their rows.
    auto = dataclasses.replace(packed, run=step.run)
    assert PLACES in auto._training_specs()
    assert PLACES not in dataclasses.replace(auto, text_length=0)._training_specs()
    assert step_of("ner", "--compat=master").planned.clipping == "per_core"


def test_what_cannot_be_checked_is_said():
    for words, said in (
        (["ner", "--train_batch_size=30"], "is not a multiple of --num_tpu_cores=8"),
        (["ner", "--mixed_precision=float16"], "TPUs have none"),
        (["ner", "--max_seq_length=600"], "above the 512 positions"),
    ):
        with pytest.raises(InputError, match=re.escape(said)):
            step_of(*words)
    converts = ["--output_dir=none", "--corpus_file=none", "--do_convert"]
    with pytest.raises(InputError, match="runs no model"):
        steps.of_command(problems.PRETRAINING, converts, "tiny", 0)


def test_a_command_line_is_found_behind_the_flags():
    for before in (["--"], ["--", "python"], ["biobert"], []):
        for name in ("ner", "run_ner.py", "../run_ner.py"):
            words = ["--chips=v4", *before, name, "--do_eval"]
            own, problem, rest = command.split(words)
            assert (own, problem, rest) == (["--chips=v4"], problems.NER, ["--do_eval"])
    assert command.split(["--size=tiny"]) == (["--size=tiny"], None, [])


def test_all_cases_are_command_lines_of_all_scripts():
    for cases in (command.CASES, command.TINY_CASES):
        kinds = set()
        for case in cases:
            _, problem, words = command.split(case.text.split())
            words = [*words, *command._ALWAYS.split()]
            found = steps.of_command(problem, words, "tiny", case.text_length)
            kinds |= {(each.script, each.kind) for each in found}
        assert len(kinds) == 8


def test_a_step_that_is_too_large_is_no_failure():
    text = "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in "
    found = compiling.failure(
        RuntimeError(f"{text}memory space hbm. Used 20.50G of 15.75G hbm. Exceeded")
    )
    assert found["status"] == "does not fit"
    assert found["needed_bytes"] == 20.5 * 2**30
    assert found["limit_bytes"] == 15.75 * 2**30
    assert compiling.failure(RuntimeError(f"{text}x"))["status"] == "does not fit"
    assert compiling.failure(RuntimeError("no mhlo.copy"))["status"] == "fails"
