# SPDX-License-Identifier: Apache-2.0
"""What users of `run_re.py` get wrong; what all runs share is in `test_bad_input`."""

import functools

import bad_input
import ner_toys
import pytest
import re_toys as toys

from biobert_tf.cli import main as cli
from biobert_tf.common import files, program, single_label

PREDICT = {"do_train": None}


@pytest.fixture
def toy(tmp_path):
    return toys.Toy(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model with random weights and two labels."""
    return toys.write_model(tmp_path_factory.mktemp("model"), ("0", "1"))


@pytest.fixture
def run(toy, capsys):
    """Runs `run_re.py` on the toy, changed by flags; returns its error."""
    return functools.partial(bad_input.refusal, cli.re, toy, capsys)


def write_settings(folder, **settings):
    files.write_json(folder / "settings.json", settings)
    return folder


# --- data -----------------------------------------------------------------------------


@pytest.mark.parametrize("task_name", ["gad", "custom"])
def test_no_data_directory(toy, run, task_name):
    absent = toy.data / "absent"
    message = f"--data_dir={absent}: no such directory"
    assert run(data_dir=absent, task_name=task_name) == message
    file = toy.data / "train.tsv"
    message = f"--data_dir={file}: no such directory"
    assert run(data_dir=file, task_name=task_name) == message
    assert not toy.output.exists()


@pytest.mark.parametrize("task_name", ["gad", "custom"])
def test_no_training_file(toy, run, task_name):
    path = toy.data / "train.tsv"
    path.unlink()
    message = f"{path}: no such file; {toy.data} holds dev.tsv, test.tsv"
    assert run(task_name=task_name) == message


@pytest.mark.parametrize(
    ("split", "flags", "held"),
    [("test", {}, "dev.tsv, train.tsv"), ("dev", {"do_eval": True}, "test.tsv, train")],
)
def test_missing_file(toy, run, split, flags, held):
    path = toy.data / f"{split}.tsv"
    path.unlink()
    message = f"{path}: no such file; {toy.data} holds {held}"
    assert run(**flags).startswith(message)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("text", [b"", b"\n\n"])
def test_empty_file(toy, run, split, text):
    path = toy.data / f"{split}.tsv"
    path.write_bytes(text)
    message = run(do_eval=True, data_format="biobert")
    assert message.startswith(f"{path}:1: holds no sentence")
    assert not toy.output.exists()


@pytest.mark.parametrize("split", ["train", "dev", "test"])
@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (b"a\t1\nb\t2\n", 2, "label '2' is none of 0 1, the labels of gad"),
        (b"a\t1\n\nSj\xf6gren\t0\n", 3, "byte 0xf6 is not UTF-8"),
        (b"a\t1\nb\n", 2, "1 columns instead of 2; want sentence<TAB>label"),
        (b"a\t1\nb\t0\t0\n", 2, "3 columns instead of 2"),
        (b"a\t1\nb\t\n", 2, "no label; "),
    ],
)
def test_malformed_file(toy, run, split, text, line, problem):
    path = toy.data / f"{split}.tsv"
    path.write_bytes(text)
    message = run(do_eval=True, data_format="biobert")
    assert message.startswith(f"{path}:{line}: {problem}")
    assert not toy.output.exists()


@pytest.mark.parametrize("split", ["train", "dev"])
def test_no_labels_at_all(toy, run, split):
    path = toy.data / f"{split}.jsonl"
    for other in toy.data.glob("*.tsv"):
        rows = [("<< a >> [[ b ]]", "1")]
        toys.write_marked(toy.data, **{other.stem: rows})
        other.unlink()
    toys.write_marked(toy.data, **{split: [("<< a >> [[ b ]]", None)] * 2})
    assert run(do_eval=True).startswith(f"{path}:1: no label; ")


def test_malformed_file_with_a_header(toy, run):
    path = toy.data / "test.tsv"
    path.write_text("index\tsentence\tlabel\n0\t@GENE$\t1\n1\t@GENE$ no label\n")
    message = f"{path}:3: 2 columns instead of 3; want index<TAB>sentence<TAB>label"
    assert run() == message


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('id\tsentence\tlabel\n0\t"a\tb" x\t1\n', 2, "bad CSV quoting ("),
        ('id\tsentence\tlabel\n0\t"""x"""\t1\n1\t"x\t1\n', 3, "bad CSV quoting ("),
        ("index\tsentence\tlabel\n0\tx\tyes\n", 2, "label 'yes' is none of 0 1"),
    ],
)
def test_malformed_quoting(toy, run, text, line, problem):
    path = toy.data / "train.tsv"
    path.write_text(text)
    assert run(do_predict=None).startswith(f"{path}:{line}: {problem}")


def test_no_header(toy, run):
    path = toy.data / "train.tsv"
    message = run(data_format="blue", do_predict=None)
    assert message.startswith(f"{path}:1: no header ('@GENE$ causes ")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("@GENE$\t1", "not JSON: "),
        ('{"sentence": "@GENE$"}', 'no "text"; '),
        ("[1]", 'no "text"; '),
        ('{"text": "<< a >> [[ b ]]", "label": "cpr:3"}', "label 'cpr:3' is none of "),
        ('{"text": "<< a >> [[ b ]]"}', "no label; "),
    ],
)
def test_malformed_json(toy, run, line, problem):
    (toy.data / "train.tsv").unlink()
    path = toy.data / "train.jsonl"
    path.write_text(f'{{"text": "<< a >> [[ b ]]", "label": "1"}}\n{line}\n')
    assert run(do_predict=None).startswith(f"{path}:2: {problem}")


def test_a_sentence_whose_entities_fit_no_record(toy, run):
    """It is known of the test file before anything is trained, or written."""
    long = " ".join(["@GENE$"] * 4)
    toys.write_data(toy.data, test=[*toys.TEST, (long, "1")])
    assert run() == (
        "test file, line 5 (id 3): its entities are 12 pieces long, "
        "--max_seq_length=12 leaves 10; raise it"
    )
    assert not toy.output.exists()


# --- labels ---------------------------------------------------------------------------


def test_one_label_only(toy, run):
    toys.write_data(toy.data, train=[("@GENE$", "yes")] * 3)
    path = toy.data / "train.tsv"
    message = run(task_name="custom")
    assert message == f"{path}: has one label only, yes; want two or more"


def test_labels_of_the_test_file_that_were_not_learned(toy, run):
    toys.write_data(toy.data, test=[*toys.TEST, ("@GENE$", "maybe")])
    assert run(task_name="custom") == (
        f"{toy.data / 'test.tsv'}:5: label 'maybe' is none of 0 1, the labels of custom"
    )


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"labels": "1"}, "--labels=1: want two or more different labels"),
        ({"labels": "0,1,0"}, "--labels=0,1,0: want two or more different labels"),
        ({"labels": "0,,1"}, "--labels=0,,1: want two or more different labels"),
        (
            {"labels": "0,1", "negative_label": "no"},
            "--negative_label=no is none of the labels 0 1",
        ),
        ({"negative_label": "no"}, "--negative_label=no is none of the labels 0 1"),
        ({"labels": "yes,no"}, "{train}:1: label '1' is none of yes no"),
    ],
)
def test_labels_of_the_flags(toy, run, flags, problem):
    expected = problem.format(train=toy.data / "train.tsv")
    assert run(task_name="custom", **flags).startswith(expected)


@pytest.mark.parametrize("name", ["labels", "negative_label"])
def test_labels_of_a_named_set(run, name):
    assert run(**{name: "0"}) == f"--{name} is for --task_name=custom; gad has its own"


def test_labels_of_another_model(run, model):
    message = run(init_checkpoint=model, task_name="chemprot", **PREDICT)
    assert message.startswith("the labels of the model are 0 1, those of this run cpr")
    message = run(init_checkpoint=model, task_name="custom", labels="1,0", **PREDICT)
    assert message.startswith("the labels of the model are 0 1, those of this run 1 0;")


def test_labels_that_are_nowhere(run, tmp_path):
    folder = toys.write_model(tmp_path / "model", ("0", "1"))
    (folder / "labels.json").unlink()
    message = run(init_checkpoint=folder, task_name="custom", **PREDICT)
    assert message.startswith("the model's labels are unknown: there is no labels.json")
    # And a head of other labels.
    message = run(init_checkpoint=folder, task_name="custom", labels="0,1,2", **PREDICT)
    assert message.startswith(f"{folder / 'model.ckpt-7'}: ")
    assert "[2] in the checkpoint and [3] in the model" in message


@pytest.mark.parametrize("task_name", ["gad", "custom"])
def test_nothing_to_predict_with(toy, run, task_name):
    message = run(task_name=task_name, **PREDICT)
    assert message.startswith(f"--output_dir={toy.output} holds no trained model")


# --- entity markers -------------------------------------------------------------------


@pytest.fixture
def without_markers(toy):
    """A vocabulary that lacks two of the four."""
    lacking = [piece for piece in toys.VOCAB if piece not in toys.MARKERS[1:3]]
    return ner_toys.write_vocab(toy.released / "vocab.txt", lacking)


def test_a_vocabulary_without_markers(run, without_markers):
    assert run(entity_markers=True) == (
        f"{without_markers}: lacks [unused2], [unused3], which --entity_markers needs"
    )


@pytest.mark.parametrize("had", [True, False])
@pytest.mark.parametrize("is_resumed", [True, False])
def test_a_model_that_learned_entities_in_another_form(
    toy, run, tmp_path, had, is_resumed
):
    """Whether it lies in the output directory or elsewhere."""
    folder = toys.write_model(tmp_path / "model", ("0", "1"))
    write_settings(folder, entity_markers=had, seed=1)
    given = {"entity_markers": not had, **PREDICT}
    if is_resumed:
        toy.output.mkdir()
        for path in folder.iterdir():
            if not path.name.startswith("model.ckpt"):
                path.rename(toy.output / path.name)
        folder = toy.output
    else:
        given["init_checkpoint"] = folder / "model.ckpt-7"
    assert run(**given) == (
        f"{folder / 'settings.json'}: the model was trained with --entity_markers="
        f"{str(had).lower()}; give the same"
    )


def test_a_model_with_another_label_for_none(toy, run, tmp_path):
    folder = toys.write_model(tmp_path / "model", ("a", "b"))
    write_settings(folder, entity_markers=False, negative_label="b")
    given = {"task_name": "custom", "init_checkpoint": folder, **PREDICT}
    assert run(**given) == (
        f"{folder / 'settings.json'}: the model was trained with --negative_label="
        '"b"; give the same'
    )


@pytest.mark.parametrize("settings", [None, {"seed": 1}, {"entity_markers": True}])
def test_settings_that_say_nothing_else(toy, tmp_path, monkeypatch, settings):
    """No settings, those of another task, the same; and a prediction's own."""
    folder = toys.write_model(tmp_path / "model", ("0", "1"))
    if settings is not None:
        write_settings(folder, **settings)
    write_settings(toy.output, entity_markers=False)
    monkeypatch.setattr("biobert_tf.training.finetune.Run.execute", lambda self: None)
    given = {"init_checkpoint": folder, "entity_markers": True, **PREDICT}
    assert program.run(cli.re, toy.argv(**given)) == 0


# --- flags ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "2:1",  # no such label
        "1",
        "1:",
        ":2",
        "1:two",
        "1:0",
        "1:-1",
        "1:nan",
        "1:inf",
        "0:1,,1:2",
        "balance",
        "1=2",
    ],
)
def test_class_weights(toy, run, value):
    message = run(class_weights=value)
    assert message.startswith("--class_weights: '")
    assert message.endswith(
        "' is not LABEL:WEIGHT with a label of 0 1 and a positive weight; or say "
        "balanced"
    )
    assert not toy.output.exists()


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"task_name": None}, "--task_name must be given; see --help"),
        ({"task_name": "bc5cdr"}, "--task_name=bc5cdr: value should be one of <gad|"),
        ({"data_format": "csv"}, "--data_format=csv: value should be one of <auto|"),
        ({"compat": "paper"}, "--compat=paper: value should be one of <fixed|master>"),
        (
            {"do_train": None, "do_predict": None},
            "nothing to do: set --do_train, --do_predict or --do_eval to true",
        ),
        ({"max_seq_length": 17}, "--max_seq_length=17 is above the max_position_emb"),
    ],
)
def test_flags(run, flags, problem):
    assert run(**flags).removeprefix("flag ").startswith(problem)


# --- one run after another ------------------------------------------------------------


def test_a_run_that_fails_takes_the_results_of_an_earlier_one_away(
    toy, model, monkeypatch, capsys
):
    given = {"init_checkpoint": model, **PREDICT}
    assert program.run(cli.re, toy.argv(**given)) == 0
    # One that is refused leaves them.
    assert program.run(cli.re, toy.argv(**given, class_weights="x")) == 2
    assert (toy.output / "results.json").exists()

    def fail(*args, **kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setattr(single_label, "score", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        program.run(cli.re, toy.argv(**given))
    assert not (toy.output / "results.json").exists()
    assert not (toy.output / "eval_results.txt").exists()
    capsys.readouterr()
