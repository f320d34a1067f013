# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json

import ner_toys as toys
import numpy as np
import pytest

from biobert_tf import checkpoints
from biobert_tf.cli import main as cli
from biobert_tf.common import files, flags
from biobert_tf.common import settings as config
from biobert_tf.common.errors import InputError
from biobert_tf.ner import run as ner_run
from biobert_tf.ner.problem import NER
from biobert_tf.ner.settings import NerConfig
from biobert_tf.training import finetune


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toys.Toy(tmp_path_factory.mktemp("toy"))


def run(toy, output, **values):
    """Runs `run_ner.py` into `output`; returns what stands in results.json."""
    cli.ner(toy.argv(output_dir=output, **values))
    return files.read_json(output / "results.json")


@pytest.fixture(scope="module")
def straight(toy, tmp_path_factory):
    """An uninterrupted training of five steps, evaluated: its folder and results."""
    output = tmp_path_factory.mktemp("straight") / "output"
    return output, run(toy, output, do_eval=True, predict_batch_size=1)


def weights(output):
    return checkpoints.locate(output).read().weights


def assert_same_weights(output, expected):
    ours, theirs = weights(output), weights(expected)
    assert sorted(ours) == sorted(theirs)
    for name, array in theirs.items():
        assert ours[name].tobytes() == array.tobytes(), name


# --- eval_results.txt -----------------------------------------------------------------


def test_evaluation_lines():
    results = {
        "train": {"examples": 9},
        "devel": {
            "metrics": {"loss": 2.5, "eval_f": 0.25},
            "scores": {"f1": 0.5, "num_gold": 3, "by_type": {}},
        },
        "test": {"metrics": {"loss": 1.5}, "scores": {"f1": 0.75}},
    }
    assert finetune.evaluation_lines(results, step=40) == [
        "devel_f1 = 0.5",
        "eval_f = 0.25",
        "global_step = 40",
        "loss = 2.5",
        "test_f1 = 0.75",
        "test_loss = 1.5",
    ]


@pytest.mark.parametrize("results", [{}, {"train": {}}, {"test": {"examples": 3}}])
def test_nothing_to_write_without_scores(results):
    assert finetune.evaluation_lines(results, step=40) == []


# --- one run --------------------------------------------------------------------------


def test_results_say_what_was_run(toy, straight):
    output, results = straight
    assert results["task"] == "ner"
    assert results["labels"] == list(toys.LABELS)
    assert results["global_step"] == 5
    # 4 training and 1 development sentence, twice, in batches of 2; 10 % of 5 steps.
    numbers = {"examples": 5, "records": 5, "steps": 5, "warmup_steps": 0}
    texts = results["train"]["texts"]
    assert results["train"] == {**numbers, "texts": texts}
    assert (texts["packing"], texts["texts_measured"]) == ("on", 10)
    assert results["devel"]["examples"] == 1
    assert results["test"]["examples"] == 2
    assert sorted(results["seconds"]) == ["devel", "test", "total", "train"]
    useful, since_start, share = results["goodput"].values()
    assert 0 < useful < since_start
    assert share == round(useful / since_start, 4)
    argv = toy.argv(output_dir=output, do_eval=True, predict_batch_size=1)
    settings = config.to_dict(flags.parse(NerConfig, argv, NER.defaults))
    assert results["settings"] == settings
    assert files.read_json(output / "settings.json") == settings


def test_scores_stand_on_the_screen(toy, straight, capsys, tmp_path):
    run(toy, tmp_path, init_checkpoint=straight[0], do_train=False, do_eval=True)
    printed = capsys.readouterr().out.splitlines()
    assert printed.index("devel") < printed.index("test")
    assert sum(line.startswith("processed ") for line in printed) == 2
    # The last thing to be seen is the file of scores.
    lines = (tmp_path / "eval_results.txt").read_text().splitlines()
    assert printed[-len(lines) :] == lines


def test_the_batch_of_prediction_changes_nothing(toy, straight, tmp_path):
    output, results = straight
    given = {"init_checkpoint": output, "do_train": False, "predict_batch_size": 8}
    again = run(toy, tmp_path, **given)
    assert again["test"]["scores"] == results["test"]["scores"]
    loss = results["test"]["metrics"]["loss"]
    assert again["test"]["metrics"]["loss"] == pytest.approx(loss, rel=1e-6)


def test_stop_and_go_on(toy, straight, tmp_path):
    output = tmp_path / "output"
    stopped = run(toy, output, max_steps=2, save_checkpoints_steps=1)
    assert stopped["global_step"] == 2
    assert (output / "model.ckpt-2.index").exists()
    # What shapes no result may change: batches of prediction, loops, saving.
    resumed = run(toy, output, predict_batch_size=1, iterations_per_loop=2)
    assert resumed["global_step"] == 5
    assert_same_weights(output, straight[0])
    assert resumed["test"] == straight[1]["test"]


def test_all_states_are_damaged(toy, tmp_path):
    output = tmp_path / "output"
    run(toy, output, max_steps=2, save_checkpoints_steps=2)
    [index] = output.glob("training/ckpt-*.index")
    index.write_bytes(index.read_bytes()[:-9])
    said = rf"^{index.with_suffix('')}: damaged state: .* no state before is there: "
    with pytest.raises(InputError, match=said):
        run(toy, output)


def test_a_finished_run_is_not_trained_again(toy, straight, caplog):
    output, results = straight
    written = [path.stat().st_mtime_ns for path in output.glob("model.ckpt-*")]
    again = run(toy, output, do_eval=True, predict_batch_size=1)
    for stage in ("train", "devel", "test"):
        assert again[stage] == results[stage]
    [message] = [m for m in caplog.messages if "already trained" in m]
    assert message.startswith(f"{output} is already trained to its last step, 5: ")
    assert [path.stat().st_mtime_ns for path in output.glob("model.ckpt-*")] == written
    files.write_json(output / "results.json", results)


def test_a_run_that_died_before_writing_its_model_writes_it(toy, tmp_path, caplog):
    output = tmp_path / "output"
    run(toy, output, max_steps=2, save_checkpoints_steps=1)
    before = checkpoints.locate(output / "model.ckpt-2").read().weights
    for path in output.glob("model.ckpt-2*"):
        path.unlink()
    run(toy, output, max_steps=2, save_checkpoints_steps=1)
    after = checkpoints.locate(output / "model.ckpt-2").read().weights
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
    assert "is already trained to its last step, 2" in caplog.text


@pytest.mark.parametrize(
    "values, named",
    [
        ({"seed": 7}, "--seed 12345 -> 7"),
        ({"learning_rate": 1e-3}, "--learning_rate 0.01 -> 0.001"),
        ({"num_train_epochs": 3}, "--num_train_epochs 2.0 -> 3.0"),
        ({"train_batch_size": 1}, "--train_batch_size 2 -> 1"),
        ({"max_seq_length": 8}, "--max_seq_length 12 -> 8"),
        ({"mixed_precision": "bfloat16"}, "--mixed_precision off -> bfloat16"),
        ({"train_on": "train"}, "--train_on train_dev -> train"),
    ],
)
def test_other_settings_are_refused(toy, straight, values, named):
    output, results = straight
    with pytest.raises(InputError) as caught:
        run(toy, output, do_eval=True, **values)
    assert str(caught.value).startswith(
        f"{output / 'settings.json'}: holds a run with other settings ({named}); "
    )
    # The run that was there is untouched.
    assert files.read_json(output / "results.json") == results
    assert files.read_json(output / "settings.json") == results["settings"]


def test_other_labels_are_refused(straight, tmp_path):
    output, results = straight
    other = toys.Toy(tmp_path)
    toys.write_data(other.data, devel=[[("brca1", "B-Gene")]])
    with pytest.raises(InputError) as caught:
        run(other, output)
    assert str(caught.value).startswith(
        f"--output_dir={output} holds a model with other labels than the O B-Chem "
    )
    assert files.read_json(output / "results.json") == results


def test_other_sizes_are_refused(toy, straight, tmp_path):
    output, results = straight
    larger = dataclasses.replace(toys.CONFIG, intermediate_size=24)
    path = toys.write_released(tmp_path, larger) / "bert_config.json"
    with pytest.raises(InputError) as caught:
        run(toy, output, do_eval=True, bert_config_file=path)
    message = str(caught.value)
    assert message.startswith(f"{output}: holds a model of other sizes: ")
    assert "\n" not in message
    assert files.read_json(output / "results.json") == results


def test_settings_of_a_run_that_learned_nothing_bind_no_one(toy, straight, tmp_path):
    """And the same seed gives the same weights once more."""
    output = tmp_path / "output"
    with pytest.raises(InputError, match="make no whole step"):
        run(toy, output, train_batch_size=300)
    run(toy, output)
    assert_same_weights(output, straight[0])


def test_prediction_leaves_the_settings_of_the_training(toy, straight):
    output, results = straight
    run(toy, output, do_train=False, seed=3, num_train_epochs=1)
    assert files.read_json(output / "settings.json") == results["settings"]
    files.write_json(output / "results.json", results)


def test_pretrained_weights_are_the_start(toy, tmp_path):
    """Zero steps cannot be trained, so a rate of almost nothing shows the start."""
    folder = toys.write_model(tmp_path / "model")
    output = tmp_path / "output"
    run(toy, output, init_checkpoint=folder, learning_rate=1e-30)
    ours, start = weights(output), weights(folder)
    assert sorted(ours) == sorted(start)
    for name, array in start.items():
        np.testing.assert_allclose(ours[name], array, rtol=0, atol=1e-20, err_msg=name)


def test_a_new_head_is_drawn_for_pretrained_weights(toy, tmp_path):
    folder = toys.write_model(tmp_path / "model", labels=("O", "B", "I"))
    output = tmp_path / "output"
    run(toy, output, init_checkpoint=folder, learning_rate=1e-30)
    ours, start = weights(output), weights(folder)
    assert ours["output_weights"].shape == (5, toys.CONFIG.hidden_size)
    name = "bert/embeddings/word_embeddings"
    assert ours[name].tobytes() == start[name].tobytes()


def test_the_original_in_small(toy, tmp_path):
    """Trains, evaluates and predicts in the original's way, with its files."""
    data = toys.write_data(
        tmp_path / "data",
        train=toys.untyped(toys.TRAIN),
        devel=toys.untyped(toys.DEVEL),
        test=toys.untyped(toys.TEST),
    )
    output = tmp_path / "output"
    results = run(toy, output, data_dir=data, compat="paper", do_eval=True)
    assert results["labels"] == list(toys.ORIGINAL_LABELS)
    tokens = (output / "token_test.txt").read_text().split()
    assert " ".join(tokens) == (
        "[CLS] Liver cancer helps [SEP] [CLS] aspirin aspirin [UNK] . [SEP]"
    )
    assert len((output / "label_test.txt").read_text().split()) == len(tokens)
    assert len((output / "logits_test.txt").read_text().splitlines()) == len(tokens)
    # The loss is a sum over every position of a batch: of the one row here.
    assert results["devel"]["metrics"]["loss"] > 12
    lines = (output / "eval_results.txt").read_text().splitlines()
    names = [line.split(" = ")[0] for line in lines]
    assert {"eval_f", "eval_precision", "eval_recall", "loss"} <= set(names)


def test_results_are_whole_json(straight):
    output, _ = straight
    text = (output / "results.json").read_text("utf-8")
    assert "NaN" not in text
    assert json.loads(text)["version"]


def test_the_estimator_comes_back_for_more(toy, straight, tmp_path):
    output, _ = straight
    argv = toy.argv(output_dir=tmp_path, init_checkpoint=output, do_train=False)
    model = ner_run.run(flags.parse(NerConfig, argv))
    told = (model.task, model.estimator)
    text = "Liver helps (IL-2)."
    [(example, prediction)] = toys.annotated(*told, [text], 8)
    assert example.words == ("Liver", "helps", "(", "IL-2", ")", ".")
    assert len(prediction.labels) == 6
    [(example, prediction)] = toys.annotated(*told, [" "], 8)
    assert (example.words, prediction.entities) == ((), ())
