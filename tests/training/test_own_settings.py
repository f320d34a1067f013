# SPDX-License-Identifier: Apache-2.0
"""A trained model is used with its own settings; flags that are given win."""

import json
import logging
from pathlib import Path
from re import MULTILINE, findall

import feature_toys
import ner_toys as toys
import pytest
import re_toys

from biobert_tf import problems
from biobert_tf.checkpoints import tokenizer_files
from biobert_tf.cli import main as cli
from biobert_tf.common import files, flags, program
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import to_dict
from biobert_tf.embeddings.problem import EMBEDDINGS
from biobert_tf.embeddings.settings import ExtractFeaturesConfig
from biobert_tf.pretraining.data import units
from biobert_tf.pretraining.data.settings import CreatePretrainingDataConfig
from biobert_tf.pretraining.problem import PRETRAINING

UNCASED = [piece.lower() if piece[0] != "[" else piece for piece in toys.VOCAB]
# The record of a training; its vocabulary would say another case.
RECORDED = {"do_lower_case": True, "max_seq_length": 64}
NER_RECORD = {**RECORDED, "train_on": "train", "compat": "master"}
RE_RECORD = {
    **RECORDED,
    "task_name": "custom",
    "negative_label": "none",
    "entity_markers": True,
    "data_format": "blue",
}
QA_RECORD = {
    **RECORDED,
    "question_type": "list",
    "doc_stride": 32,
    "max_query_length": 16,
    "version_2_with_negative": True,
    "n_best_size": 7,
    "list_threshold": 0.1,
    "train_file": "train.json",
}


def write(folder, recorded=None, vocab=toys.VOCAB):
    toys.write_released(folder, vocab=vocab)
    files.write_text(folder / "model.ckpt-7.index", "")
    if recorded is not None:
        files.write_json(folder / "settings.json", recorded)
    return folder


def parse(problem, *words):
    """What a command line with these flags is run with, by name."""
    argv = [problem.script, "--output_dir=out", *words]
    return to_dict(
        flags.parse(problem.settings, argv, problem.defaults, problem.of_model)
    )


def ner(*words):
    return parse(problems.NER, "--data_dir=data", *words)


def re(*words):
    return parse(problems.RELATIONS, "--data_dir=data", "--do_predict", *words)


def qa(*words):
    return parse(problems.QA, "--do_predict", "--predict_file=q.json", *words)


def some(values, names):
    return {name: values[name] for name in names}


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


# --- what is carried ------------------------------------------------------------------


def test_ner(tmp_path, said):
    model = write(tmp_path / "model", NER_RECORD)
    found = ner(f"--init_checkpoint={model}", "--do_train=false")
    assert some(found, RECORDED) == RECORDED
    assert found["compat"] == "master"
    assert found["train_on"] == "train_dev"  # nothing is trained
    shown = "--do_lower_case=true --max_seq_length=64 --compat=master"
    assert said() == [f"as the model has it: {shown}"]


def test_the_page_lists_what_is_carried():
    page = Path(__file__).parents[2] / "docs" / "ner.md"
    rows = findall(
        r"^\| `([^`]+)` \| (`do_lower_case`.*) \|$", page.read_text(), MULTILINE
    )
    said = {name: findall(r"`(\w+)`", text) for name, text in rows}
    carried = {problem.script: problem.carried for problem in problems.TRAINED}
    evaluation = f"{PRETRAINING.script} --do_eval"
    carried[evaluation] = carried.pop(PRETRAINING.script)
    carried["biobert extract-features"] = EMBEDDINGS.carried
    assert said == {name: ["do_lower_case", *own] for name, own in carried.items()}


def test_a_flag_that_is_given_wins(tmp_path, said):
    model = write(tmp_path / "model", NER_RECORD)
    words = ["--max_seq_length=128", "--compat=master", "--do_lower_case"]
    found = ner(f"--init_checkpoint={model}", "--do_train=false", *words)
    assert found["max_seq_length"] == 128
    # What agrees is not worth a word.
    assert said() == ["--max_seq_length=128 instead of the trained 64"]
    file = tmp_path / "given.flags"
    file.write_text("--max_seq_length=32\n--nodo_lower_case\n")
    words = [f"--init_checkpoint={model}", "--nodo_train", f"--flagfile={file}"]
    found = ner(*words)
    assert (found["max_seq_length"], found["do_lower_case"]) == (32, False)
    assert said()[-2:] == [
        "--do_lower_case=false instead of the trained true",
        "--max_seq_length=32 instead of the trained 64",
    ]


def test_a_training_takes_the_case_only(tmp_path, said):
    model = write(tmp_path / "model", NER_RECORD)
    found = ner(f"--init_checkpoint={model}")
    assert found["do_lower_case"] is True
    assert (found["max_seq_length"], found["compat"]) == (128, "fixed")
    model = write(tmp_path / "squad", QA_RECORD)
    words = ["--do_train", "--train_file=t.json", f"--init_checkpoint={model}"]
    found = qa(*words)
    assert (found["max_seq_length"], found["question_type"]) == (384, "factoid")
    assert said() == ["as the model has it: --do_lower_case=true"] * 2


def test_the_model_in_the_output_directory_comes_first(tmp_path):
    other = write(tmp_path / "other", {**NER_RECORD, "max_seq_length": 32})
    model = write(tmp_path / "model", NER_RECORD)
    words = [f"--output_dir={model}", "--do_train=false", f"--init_checkpoint={other}"]
    # It holds a model, but no state to predict from: the weights are the other's.
    assert ner(*words)["max_seq_length"] == 32
    files.write_text(model / "training" / "checkpoint", "")
    assert ner(*words)["max_seq_length"] == 64
    assert ner(*words[:2])["compat"] == "master"


def test_relations(tmp_path):
    model = write(tmp_path / "model", RE_RECORD)
    found = re(f"--init_checkpoint={model}")
    names = ["task_name", "negative_label", "entity_markers", *RECORDED]
    assert some(found, names) == some(RE_RECORD, names)
    # The format is that of other data.
    assert found["data_format"] == "auto"
    # A named set has its own label for no relation.
    found = re(f"--init_checkpoint={model}", "--task_name=GAD")
    assert (found["task_name"], found["negative_label"]) == ("gad", "")
    with pytest.raises(InputError, match="--task_name must be given"):
        re(f"--init_checkpoint={model}", "--do_train")


def test_folds(tmp_path):
    for name in ("1", "2"):
        fold = write(tmp_path / "runs" / name, RE_RECORD)
        files.write_text(fold / "training" / "checkpoint", "")
    assert re(f"--output_dir={tmp_path / 'runs'}")["negative_label"] == "none"
    other = write(tmp_path / "other", {**RE_RECORD, "task_name": "gad"})
    (tmp_path / "new").mkdir()
    words = [f"--output_dir={tmp_path / 'new'}", f"--init_checkpoint={other}"]
    with pytest.raises(InputError, match="--negative_label is for --task_name=custom"):
        re(*words)
    files.write_json(other / "settings.json", {**RECORDED, "task_name": "gad"})
    assert re(*words)["task_name"] == "gad"


def test_questions(tmp_path):
    model = write(tmp_path / "model", QA_RECORD)
    found = qa(f"--init_checkpoint={model}")
    names = QA_RECORD.keys() - {"train_file"}
    assert some(found, names) == some(QA_RECORD, names)
    assert found["train_file"] == ""
    found = qa(f"--init_checkpoint={model}", "--question_type=yesno")
    assert found["version_2_with_negative"] is False
    assert found["doc_stride"] == 32


def test_pretraining(tmp_path):
    recorded = {**RECORDED, "max_predictions_per_seq": 9, "num_train_steps": 7}
    model = write(tmp_path / "model", recorded)
    words = ["--input_file=x", f"--init_checkpoint={model}"]
    names = ["max_seq_length", "max_predictions_per_seq", "do_lower_case"]
    for stage, expected in (("eval", (64, 9, True)), ("train", (128, 20, True))):
        found = parse(problems.PRETRAINING, *words, f"--do_{stage}")
        assert tuple(found[name] for name in names) == expected
    converting = ["--do_convert", "--corpus_file=c.txt", *words[1:], "--do_eval"]
    assert parse(problems.PRETRAINING, *converting)["max_seq_length"] == 128


def test_features(tmp_path):
    model = write(tmp_path / "model", QA_RECORD)
    words = ["x", "--input_file=a", "--output_file=b.npz", f"--init_checkpoint={model}"]
    of_model = problems.EMBEDDINGS.of_model
    found = to_dict(flags.parse(ExtractFeaturesConfig, words, of_model=of_model))
    assert some(found, RECORDED) == RECORDED


def test_a_record_of_another_problem_tells_how_text_is_read(tmp_path):
    model = write(tmp_path / "model", QA_RECORD)
    found = ner(f"--init_checkpoint={model}", "--do_train=false")
    assert some(found, RECORDED) == RECORDED
    assert found["compat"] == "fixed"


def test_a_damaged_record_is_named(tmp_path):
    model = write(tmp_path / "model", {**NER_RECORD, "max_seq_length": "long"})
    with pytest.raises(InputError) as error:
        ner(f"--init_checkpoint={model}", "--do_train=false")
    problem = "max_seq_length is 'long': want a whole number"
    assert str(error.value) == f"{model / 'settings.json'}: {problem}"


# --- the case without a record --------------------------------------------------------


@pytest.mark.parametrize("do_train", [True, False])
def test_the_vocabulary_tells_the_case(tmp_path, do_train):
    cased = write(tmp_path / "cased")
    uncased = write(tmp_path / "uncased", vocab=UNCASED)

    def case(*words):
        return ner(*words, f"--do_train={do_train}")["do_lower_case"]

    assert case(f"--init_checkpoint={cased}") is False
    assert case(f"--init_checkpoint={uncased}") is True
    # The vocabulary that is used is that which is named.
    vocab = f"--vocab_file={uncased / 'vocab.txt'}"
    assert case(f"--init_checkpoint={cased}", vocab) is True
    assert case(vocab) is True
    assert case() is False


def test_the_tokenizer_tells_the_case(tmp_path):
    """Where the letters of a vocabulary do not; so in a `tokenizer.json`."""
    pieces = [*toys.SPECIAL, *"123456", "中", "क"]
    model = write(tmp_path / "model", vocab=pieces)
    vocabulary = tokenizer_files.read_vocabulary(model / "vocab.txt")
    for do_lower_case in (True, False):
        tokenizer_files.write(model, vocabulary, do_lower_case, 16)
        found = ner(f"--init_checkpoint={model}")
        assert found["do_lower_case"] is do_lower_case
        found = ner(f"--vocab_file={model / 'tokenizer.json'}")
        assert found["do_lower_case"] is do_lower_case


def test_the_case_of_records_is_that_of_the_vocabulary(tmp_path):
    vocab = toys.write_vocab(tmp_path / "vocab.txt", UNCASED)
    words = ["x", "--input_file=a", "--output_file=b", f"--vocab_file={vocab}"]
    of_model = units.of_vocabulary
    found = flags.parse(CreatePretrainingDataConfig, words, of_model=of_model)
    assert found.text.do_lower_case is True


def test_an_explicit_contradiction_is_an_error(tmp_path, capsys):
    toy = toys.Toy(tmp_path)
    toys.write_released(toy.released, vocab=UNCASED)
    assert program.run(cli.ner, toy.argv(do_lower_case=False)) == 2
    assert "the vocabulary is lower-cased" in capsys.readouterr().err


# --- whole runs -----------------------------------------------------------------------


def test_a_run_predicts_what_its_training_did(tmp_path, said):
    """An uncased model, trained at another length than the script's."""
    toy = toys.Toy(tmp_path / "toy")
    toys.write_released(toy.released, vocab=UNCASED)
    cli.ner(toy.argv(max_seq_length=10, num_train_epochs=3))
    trained = files.read_json(toy.output / "settings.json")
    assert (trained["do_lower_case"], trained["max_seq_length"]) == (True, 10)
    output = tmp_path / "again"
    words = [f"--data_dir={toy.data}", "--strategy=cpu", "--do_train=false"]
    again = [*words, f"--init_checkpoint={toy.output}", f"--output_dir={output}"]
    cli.ner(["run_ner.py", *again])
    predictions = (output / "predictions.jsonl").read_text()
    assert predictions == (toy.output / "predictions.jsonl").read_text()
    used = files.read_json(output / "settings.json")
    assert (used["do_lower_case"], used["max_seq_length"]) == (True, 10)
    # The same directory, with another setting: it holds no model, so no record of one.
    cli.ner(["run_ner.py", *again, "--max_seq_length=12"])
    assert "--max_seq_length=12 instead of the trained 10" in said()
    assert files.read_json(output / "settings.json")["max_seq_length"] == 12
    # In the directory of the training too, whose record stays as it is.
    cli.ner(["run_ner.py", *words, f"--output_dir={toy.output}"])
    assert (toy.output / "predictions.jsonl").read_text() == predictions
    assert files.read_json(toy.output / "settings.json") == trained


def test_relations_need_no_flag_of_the_training(tmp_path):
    toy = re_toys.Toy(tmp_path / "toy")
    re_toys.write_marked(toy.data, train=re_toys.MARKED, test=re_toys.MARKED)
    for path in toy.data.glob("*.tsv"):
        path.unlink()
    custom = {"task_name": "custom", "negative_label": "none"}
    cli.re(toy.argv(**custom, entity_markers=True, max_seq_length=16))
    words = [f"--data_dir={toy.data}", f"--init_checkpoint={toy.output}"]
    words += ["--do_predict", f"--output_dir={tmp_path / 'again'}", "--strategy=cpu"]
    cli.re(["run_re.py", *words])
    rows = (tmp_path / "again" / "predictions.jsonl").read_text().splitlines()
    before = (toy.output / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(row)["label"] for row in rows] == [
        json.loads(row)["label"] for row in before
    ]
    used = files.read_json(tmp_path / "again" / "settings.json")
    assert used["entity_markers"] is True
    # The marks that the training has seen stand beside its settings.
    marks = files.read_json(toy.output / "settings.json")["marks"]
    assert marks == ["<< >>", "[[ ]]"]


def test_features_are_read_as_the_model_was_trained(tmp_path, said):
    model = feature_toys.write_model(tmp_path / "model")
    source = feature_toys.write_input(tmp_path)
    given = feature_toys.extract(model, source, tmp_path / "given.jsonl")
    files.write_json(model / "settings.json", {"max_seq_length": 8})
    argv = feature_toys.argv(model, source, tmp_path / "own.jsonl")
    cli.main([word for word in argv if not word.startswith("--max_seq_length")])
    assert (tmp_path / "own.jsonl").read_bytes() == given.read_bytes()
    assert "as the model has it: --max_seq_length=8" in said()
