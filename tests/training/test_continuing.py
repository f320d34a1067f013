# SPDX-License-Identifier: Apache-2.0
"""`--continue`: a training goes on with more epochs or another learning rate."""

import shutil

import ner_toys as toys
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.cli import main as cli
from biobert_tf.common import files, flags
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import continued_names
from biobert_tf.ner.problem import NER
from biobert_tf.ner.settings import NerConfig
from biobert_tf.pretraining.settings import PretrainingConfig
from biobert_tf.training.optimizer import LinearWarmupDecay


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toys.Toy(tmp_path_factory.mktemp("toy"))


def run(toy, output, **values):
    """Runs `run_ner.py` into `output`; returns what stands in results.json."""
    cli.ner(toy.argv(output_dir=output, **{"num_train_epochs": 1, **values}))
    return files.read_json(output / "results.json")


@pytest.fixture(scope="module")
def short(toy, tmp_path_factory):
    """A training of one epoch: five sentences in batches of two are two steps."""
    output = tmp_path_factory.mktemp("short") / "output"
    assert run(toy, output)["global_step"] == 2
    return output


@pytest.fixture
def output(short, tmp_path):
    """A copy of it."""
    return shutil.copytree(short, tmp_path / "output")


def scalars(output, name):
    """The values of every step that TensorBoard shows, by zero-based step."""
    found = {}
    for path in sorted((output / "tensorboard").glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.tag == f"train/{name}":
                    found[event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_more_epochs(toy, output, caplog):
    caplog.set_level("INFO")
    before = checkpoints.locate(output).read().weights
    results = run(toy, output, num_train_epochs=2, **{"continue": True})
    assert results["global_step"] == 5
    assert results["train"]["steps"] == 5
    earlier = [{"until_step": 2, "settings": {"num_train_epochs": 1.0}}]
    assert results["earlier_settings"] == earlier
    assert results["settings"]["num_train_epochs"] == 2
    recorded = files.read_json(output / "settings.json")
    assert recorded == {**results["settings"], "earlier_settings": earlier}
    line = (
        "the training goes on after step 2 with --num_train_epochs=2.0 instead of 1.0"
    )
    assert line in caplog.messages
    # The model is the new one.
    after = checkpoints.locate(output).read().weights
    assert any((after[name] != before[name]).any() for name in before)


def test_the_schedule_is_the_new_one_at_the_step_reached(toy, output):
    given = {"num_train_epochs": 4, "learning_rate": 1e-3, "warmup_proportion": 0.4}
    results = run(toy, output, **given, continue_training=True)
    assert (results["train"]["steps"], results["train"]["warmup_steps"]) == (10, 4)
    old, new = LinearWarmupDecay(1e-2, 2, 0), LinearWarmupDecay(1e-3, 10, 4)
    wanted = {step: float((old if step < 2 else new)(step)) for step in range(10)}
    assert scalars(output, "learning_rate") == pytest.approx(wanted, rel=1e-6)


def test_it_goes_on_with_the_batches_that_follow(toy, output, tmp_path):
    """At a rate near zero, the losses are those of two epochs with the same weights."""
    given = {"num_train_epochs": 2, "learning_rate": 1e-30, "warmup_proportion": 0}
    whole = tmp_path / "whole"
    run(toy, whole, **given, init_checkpoint=output)
    run(toy, output, **given, continue_training=True)
    continued, wanted = scalars(output, "loss"), scalars(whole, "loss")
    for step in (2, 3, 4):
        assert continued[step] == pytest.approx(wanted[step], rel=1e-5)


def test_it_can_be_done_again_and_be_interrupted(toy, output):
    on = {"continue_training": True}
    stopped = run(toy, output, num_train_epochs=2, max_steps=3, **on)
    assert stopped["global_step"] == 3
    # The same settings need no flag, and change no history.
    resumed = run(toy, output, num_train_epochs=2)
    first = {"until_step": 2, "settings": {"num_train_epochs": 1.0}}
    assert (resumed["global_step"], resumed["earlier_settings"]) == (5, [first])
    given = {"num_train_epochs": 3, "learning_rate": 1e-3}
    again = run(toy, output, **given, **on)
    then = {"num_train_epochs": 2.0, "learning_rate": 0.01}
    second = {"until_step": 5, "settings": then}
    assert (again["global_step"], again["earlier_settings"]) == (7, [first, second])
    # A prediction knows how its model was trained.
    predicted = run(toy, output, **given, do_train=False)
    assert predicted["earlier_settings"] == [first, second]


def test_without_the_flag_it_is_refused_and_named(toy, output):
    with pytest.raises(InputError) as caught:
        run(toy, output, num_train_epochs=2, learning_rate=1e-3)
    assert str(caught.value) == (
        f"{output / 'settings.json'}: holds a run with other settings "
        "(--learning_rate 0.01 -> 0.001, --num_train_epochs 1.0 -> 2.0); choose "
        "another --output_dir or delete this one, or let this run go on with the new "
        "settings by --continue=true"
    )


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"seed": 7}, "--seed 12345 -> 7"),
        ({"train_batch_size": 1}, "--train_batch_size 2 -> 1"),
        ({"max_seq_length": 8}, "--max_seq_length 12 -> 8"),
        ({"mixed_precision": "bfloat16"}, "--mixed_precision off -> bfloat16"),
        ({"train_on": "train"}, "--train_on train_dev -> train"),
        ({"eval_every_steps": 1}, "--eval_every_steps 0 -> 1"),
    ],
)
def test_what_cannot_be_continued_is_refused(toy, short, values, named):
    files_before = sorted(path.name for path in short.iterdir())
    recorded = (short / "settings.json").read_text()
    with pytest.raises(InputError) as caught:
        run(toy, short, num_train_epochs=2, continue_training=True, **values)
    assert str(caught.value) == (
        f"{short / 'settings.json'}: holds a run with other settings ({named}), which "
        "--continue cannot change; choose another --output_dir or delete this one"
    )
    # The run that was there is untouched.
    assert sorted(path.name for path in short.iterdir()) == files_before
    assert (short / "settings.json").read_text() == recorded


def test_there_may_be_nothing_to_continue(toy, tmp_path):
    results = run(toy, tmp_path / "new", continue_training=True)
    assert results["global_step"] == 2
    assert "earlier_settings" not in results


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("--continue=true", True),
        ("--continue", True),
        ("--continue_training=true", True),
        ("--nocontinue", False),
        ("--continue=false", False),
    ],
)
def test_the_flag_has_two_names(word, wanted):
    words = ["run_ner.py", "--data_dir=d", "--output_dir=o", word]
    settings = flags.parse(NerConfig, words, NER.defaults)
    assert settings.run.continue_training is wanted


def test_settings_that_may_change():
    rate_and_length = {"learning_rate", "num_train_epochs", "warmup_proportion"}
    assert continued_names(NerConfig) == rate_and_length
    steps = {"learning_rate", "num_train_steps", "num_warmup_steps"}
    assert continued_names(PretrainingConfig) == steps
