import dataclasses
import functools
import re
from pathlib import Path

import engine
import numpy as np
import pytest
import tensorflow as tf
import text_tasks
from tf_keras.src.mixed_precision import loss_scale_optimizer

from biobert_tf.checkpoints import Checkpoint, native
from biobert_tf.common.errors import InputError, TrainingDivergedError
from biobert_tf.common.settings import (
    DeviceConfig,
    FinetuningConfig,
    RunConfig,
    free_names,
)
from biobert_tf.model import heads
from biobert_tf.ner.task import NerTask
from biobert_tf.training import progress, records, states
from biobert_tf.training import strategy as strategies
from biobert_tf.training.loop import Loop
from biobert_tf.training.schedule import Schedule

# Two and a half epochs of the seven steps of four.
NUM_ROWS = 11


@pytest.fixture(autouse=True)
def repeatable():
    """As every run of the scripts."""
    strategies.make_repeatable()


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return engine.write_rows(tmp_path_factory.mktemp("data") / "x", NUM_ROWS)


@pytest.fixture
def reports(monkeypatch):
    """Step -> loss, learning rate and gradient norm, of all trainings of a test."""
    seen = {}

    class Recorder:
        def __init__(self, num_train_steps, batch_size, summary_dir):
            pass

        def report(self, history, first_step, seconds):
            assert seconds > 0
            for offset, row in enumerate(zip(*history.values(), strict=True)):
                assert first_step + offset not in seen
                seen[first_step + offset] = row

        def close(self):
            pass

    monkeypatch.setattr(progress, "Progress", Recorder)
    return seen


def saved_steps(model_dir):
    return sorted(int(p.stem.split("-")[1]) for p in model_dir.glob("training/*.index"))


def state(model_dir, step):
    """Every tensor of a saved state: weights, moments, step, loss scale.

    Not how often was saved, and how the objects hang together.
    """
    reader = tf.train.load_checkpoint(str(model_dir / "training" / f"ckpt-{step}"))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if not name.startswith(("save_counter", "_CHECKPOINTABLE_OBJECT_GRAPH"))
    }


def assert_equal(actual, expected):
    """Bit for bit."""
    assert sorted(actual) == sorted(expected)
    for name, array in expected.items():
        assert np.array_equal(actual[name], array), name


# --- how long -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "num_examples, epochs, proportion, expected",
    [
        (100, 3.0, 0.1, (9, 0)),  # 9.375 steps, 0.9 of warm-up.
        (1000, 3.0, 0.1, (93, 9)),
        (32, 1.0, 1.0, (1, 1)),
        (100, 0.5, 0.0, (1, 0)),
    ],
)
def test_schedule(num_examples, epochs, proportion, expected):
    schedule = Schedule.of(
        num_examples,
        RunConfig(train_batch_size=32),
        FinetuningConfig(num_train_epochs=epochs, warmup_proportion=proportion),
    )
    assert dataclasses.astuple(schedule) == expected


def test_schedule_without_a_step():
    run = RunConfig(train_batch_size=32)
    with pytest.raises(
        InputError, match=r"^31 training examples, --train_batch_size=32"
    ):
        Schedule.of(31, run, FinetuningConfig(num_train_epochs=1.0))


@pytest.mark.parametrize(
    "settings, flag",
    [
        ({"train_batch_size": 6}, "--train_batch_size=6"),
        ({"train_batch_size": 4, "gradient_accumulation_steps": 4}, "--train_batch"),
        ({"eval_batch_size": 3}, "--eval_batch_size=3"),
    ],
)
def test_batches_that_cannot_be_cut(tmp_path, settings, flag):
    strategy = engine.two_replicas()
    accumulated = {"gradient_accumulation_steps": 2, **settings}
    with pytest.raises(InputError, match=f"^{flag}.* not a multiple of 2 devices"):
        engine.estimator(tmp_path, strategy=strategy, **accumulated)


# --- resume ---------------------------------------------------------------------------


class KilledError(Exception):
    """Stands for a signal that ends the process."""


def train_and_kill(monkeypatch, made, paths, step):
    """Trains until `step` has been made, and leaves what is on disk then."""
    check = progress.check_finite

    def check_or_die(history, first_step, **settings):
        if first_step + len(history["loss"]) > step:
            raise KilledError
        check(history, first_step, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(progress, "check_finite", check_or_die)
        with pytest.raises(KilledError):
            engine.train(made, paths)


@pytest.mark.parametrize("precision", ["off", "float16"])
def test_resume_equals_uninterrupted(
    tmp_path, monkeypatch, reports, paths, precision, first_scale
):
    """Stopped at step 4 as planned, and killed after step 5, where 4 is saved.

    Losses, rates, norms and every tensor of the last state are the same bits.
    """
    # So large that float16 overflows until it is halved a few times.
    first_scale(2.0**19)
    settings = {
        "device": DeviceConfig(mixed_precision=precision),
        "iterations_per_loop": 2,
    }
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert engine.train(engine.estimator(whole, **settings), paths) == 7
    expected = dict(reports)
    assert sorted(expected) == list(range(7))
    assert saved_steps(whole) == [3, 6, 7]

    reports.clear()
    stopped = engine.estimator(parts, max_steps=4, **settings)
    assert engine.train(stopped, paths) == 4
    assert saved_steps(parts) == [3, 4]
    train_and_kill(monkeypatch, engine.estimator(parts, **settings), paths, 5)
    assert saved_steps(parts) == [3, 4]
    # Made once, but not saved.
    assert max(reports) == 4
    reports.pop(4)
    resumed = engine.estimator(parts, **settings)
    assert engine.train(resumed, paths) == 7
    assert sorted(reports) == sorted(expected)
    for step, row in expected.items():
        np.testing.assert_array_equal(reports[step], row)
    assert_equal(state(parts, 7), state(whole, 7))
    assert saved_steps(parts) == [3, 4, 6, 7]
    skipped = [states.goodput(each / "training") for each in (whole, parts)]
    if precision == "off":
        assert not any("skipped_steps" in said for said in skipped)
        return
    norms, scales = np.array([expected[step] for step in range(7)])[:, 2:].T
    # Each step that overflows halves the scale of the next.
    is_skipped = ~np.isfinite(norms)
    assert scales[0] == 2.0**19 and 0 < is_skipped.sum() < 7
    assert (scales[1:] / scales[:-1] == np.where(is_skipped[:-1], 0.5, 1)).all()
    assert [said["skipped_steps"] for said in skipped] == [is_skipped.sum()] * 2


def test_a_finished_training_is_left_alone(
    tmp_path, monkeypatch, reports, paths, caplog
):
    """And only its first step is said to be compiled, on a TPU."""
    caplog.set_level("INFO")
    made = engine.estimator(tmp_path, iterations_per_loop=2)
    with monkeypatch.context() as patch:
        patch.setattr(strategies, "device_kind", lambda strategy: "TPU")
        engine.train(made, paths)
    said = [line.split()[0] for line in caplog.messages if "the step" in line]
    assert said == ["compiling", "compiled"]
    before = made.weights()
    reports.clear()
    again = engine.estimator(tmp_path)
    assert again.restore() == 7
    assert_equal(again.weights(), before)
    assert engine.train(again, paths) == 7
    assert not reports
    assert_equal(again.weights(), before)


def test_nothing_to_restore(tmp_path):
    made = engine.estimator(tmp_path)
    before = made.weights()
    assert made.restore() is None
    assert_equal(made.weights(), before)


def test_recomputing_changes_nothing(tmp_path, reports, paths):
    """All tasks train so; a training may be resumed the other way."""
    found = []
    for recompute in (False, True):
        reports.clear()
        settings = {"max_steps": 3, "recompute": recompute}
        made = engine.estimator(tmp_path / str(recompute), **settings)
        assert made.model.recomputes == recompute
        engine.train(made, paths)
        found.append((list(reports.values()), made.weights()))
    (kept, weights), (again, others) = found
    np.testing.assert_allclose(again, kept, rtol=1e-6)
    # The softmax ignores the keys' bias: its gradient is rounding, which Adam enlarges.
    weights.pop("bert/encoder/layer_0/attention/self/key/bias")
    for name, values in weights.items():
        np.testing.assert_allclose(others[name], values, 1e-6, 1e-6, err_msg=name)
    assert "recompute" in free_names(RunConfig)


def test_old_states_go(tmp_path, paths):
    settings = {"save_checkpoints_steps": 2, "keep_checkpoint_max": 2}
    engine.train(engine.estimator(tmp_path, max_steps=5, **settings), paths)
    assert saved_steps(tmp_path) == [4, 5]
    engine.train(engine.estimator(tmp_path, **settings), paths)
    assert saved_steps(tmp_path) == [6, 7]
    left = {path.name.split(".")[0] for path in (tmp_path / "training").iterdir()}
    assert left == {"checkpoint", "ckpt-6", "ckpt-7", "started"}


def test_a_training_that_an_earlier_version_began(tmp_path, paths, monkeypatch):
    """Its states do not say how dropout is drawn; it goes on as it began."""
    now = engine.estimator(tmp_path / "now")
    engine.train(now, paths)
    with monkeypatch.context() as patch:
        patch.setattr(states, "drawing", lambda path: (32, {}))
        whole = engine.estimator(tmp_path / "whole", pack_sequences="off")
        engine.train(whole, paths)
        first = engine.estimator(tmp_path / "old", max_steps=3, pack_sequences="off")
        engine.train(first, paths)
    for max_steps in (5, 0):
        resumed = engine.estimator(tmp_path / "old", max_steps=max_steps)
        engine.train(resumed, paths)
    assert_equal(resumed.weights(), whole.weights())
    assert_equal(state(tmp_path / "old", 7), state(tmp_path / "whole", 7))
    name = "output_weights"
    assert not np.allclose(now.weights()[name], whole.weights()[name], atol=1e-5)


# --- seeds and schedule ---------------------------------------------------------------


def test_seeds_and_max_steps(tmp_path, reports, paths):
    """Same seed same losses; `max_steps` cuts the schedule and does not squeeze it."""

    def losses(name, **settings):
        reports.clear()
        seed = settings.get("seed", 1)
        engine.train(engine.estimator(tmp_path / name, **settings), paths, seed=seed)
        return [tuple(float(value) for value in reports[step]) for step in reports]

    whole = losses("a")
    assert losses("b", max_steps=3) == whole[:3]
    assert [rate for _, rate, _ in whole] == pytest.approx(
        [0, 0.005, *(0.01 * (7 - step) / 7 for step in range(2, 7))]
    )
    other = losses("c", max_steps=3, seed=2)
    assert all(a[0] != b[0] for a, b in zip(other, whole, strict=False))


def test_order_depends_on_the_seed(tmp_path, reports, paths):
    """Two seeds, but the same weights and no dropout: only the order can differ."""
    start = heads.TokenClassifier(engine.CONFIG, 3, seed=9)
    given = Checkpoint(native.extract(start.variables), (), Path("start"))

    def first_loss(seed, shuffle_buffer):
        reports.clear()
        made = engine.estimator(
            tmp_path / f"{seed}-{shuffle_buffer}",
            config=engine.without_dropout(),
            seed=seed,
            max_steps=1,
        )
        made.initialize(given)
        engine.train(made, paths, shuffle_buffer=shuffle_buffer, seed=seed)
        return float(reports[0][0])

    assert first_loss(1, 1) == first_loss(2, 1)
    assert first_loss(1, 10) != first_loss(2, 10)


# --- divergence and damage ------------------------------------------------------------


def is_bad(batch):
    """Says whether a batch holds row 7 of the file: in file order, that of step 1."""
    return tf.reduce_any(batch["input_ids"][:, 0] == 8)


class BadLoss(NerTask):
    def losses(self, batch, outputs, totals):
        nothing = tf.where(is_bad(batch), float("nan"), 0.0)
        return {"loss": super().losses(batch, outputs, totals)["loss"] + nothing}


class BadGradient(NerTask):
    def losses(self, batch, outputs, totals):
        # The root of zero has no slope.
        zero = 0.0 * tf.reduce_sum(outputs["logits"])
        nothing = tf.sqrt(tf.where(is_bad(batch), 0.0, 1.0) + zero)
        return {"loss": super().losses(batch, outputs, totals)["loss"] + nothing}


@pytest.mark.parametrize(
    "task_type, packing, what, gradients",
    [
        (BadLoss, "off", "the loss is nan", "so are all gradients"),
        (BadGradient, "on", "the gradient norm is nan", "no gradient is"),
    ],
)
def test_divergence_stops_before_saving(
    tmp_path, paths, task_type, packing, what, gradients
):
    """The bad step is the first of the six of a call; what it saw is kept."""
    made = engine.estimator(
        tmp_path,
        task=task_type(**vars(engine.TASK)),
        save_checkpoints_steps=7,
        pack_sequences=packing,
    )
    why = f"all weights are finite, the largest is .*, and {gradients}"
    with pytest.raises(TrainingDivergedError, match=f"^{what} at step 1: {why}; "):
        engine.train(made, paths, shuffle_buffer=1)
    assert saved_steps(tmp_path) == []


@pytest.mark.parametrize("packing", ["off", "dense"])
def test_the_weight_that_is_not_finite_is_named(tmp_path, paths, packing):
    """Only it: the steps that follow leave the others as they were."""
    made = engine.estimator(tmp_path, pack_sequences=packing)
    name = "bert/encoder/layer_0/attention/output/dense/kernel"
    [bad] = [each for each in made.model.variables if each.name == f"{name}:0"]
    bad.assign(tf.tensor_scatter_nd_update(bad, [[3, 5]], [float("nan")]))
    with pytest.raises(
        TrainingDivergedError,
        match=f"^the loss is nan at step 0: not finite before it: {name}; training ",
    ):
        engine.train(made, paths)
    assert np.isfinite(made.weights()["output_weights"]).all()


def test_a_rate_so_high_that_it_diverges(tmp_path, paths):
    """The weights grow until what is computed of them is too large."""
    made = engine.estimator(tmp_path)
    data = records.shuffled(paths, engine.TASK.specs, shuffle_buffer=10, seed=1)
    with pytest.raises(
        TrainingDivergedError,
        match=r"^the (loss|gradient norm) is (nan|inf) at step [1-6]: all weights are "
        r"finite, the largest is [0-9.]+e\+[23][0-9], in (bert|output)",
    ):
        made.train(data, Schedule(7, 2), learning_rate=1e25)


def test_weights_that_are_not_finite_are_not_saved(tmp_path, paths):
    """The last step of a training makes them so; no loss can show it any more."""
    made = engine.estimator(tmp_path, max_steps=2)
    data = records.shuffled(paths, engine.TASK.specs, shuffle_buffer=10, seed=1)
    with pytest.raises(
        TrainingDivergedError, match=r"^not finite after step 2: bert/embeddings/"
    ):
        made.train(data, Schedule(7, 2), learning_rate=3e38)
    assert saved_steps(tmp_path) == []


# --- the loss scale of float16 --------------------------------------------------------


class Overflowing(NerTask):
    """The gradient is never finite, though the loss is."""

    def losses(self, batch, outputs, totals):
        nothing = tf.sqrt(0.0 * tf.reduce_sum(outputs["logits"]))
        return {"loss": super().losses(batch, outputs, totals)["loss"] + nothing}


@pytest.fixture
def first_scale(monkeypatch):
    """Sets the scale of the loss that a training in float16 begins with."""
    return functools.partial(
        monkeypatch.setattr, loss_scale_optimizer, "_DEFAULT_INITIAL_SCALE"
    )


FLOAT16 = {"device": DeviceConfig(mixed_precision="float16")}


def test_no_smaller_scale_is_left(tmp_path, paths, reports, first_scale):
    first_scale(4.0)
    made = engine.estimator(tmp_path, task=Overflowing(**vars(engine.TASK)), **FLOAT16)
    before = made.weights()
    why = "all weights are finite, .*, and no gradient is"
    with pytest.raises(
        TrainingDivergedError, match=f"^the gradient norm is nan at step 2: {why}; "
    ):
        engine.train(made, paths)
    assert_equal(made.weights(), before)


def rows_of(paths):
    return records.rows(paths, engine.TASK.specs)


def test_truncated_records(tmp_path):
    (path,) = engine.write_rows(tmp_path / "x.tf_record", NUM_ROWS)
    path.write_bytes(path.read_bytes()[:-9])
    made = engine.estimator(tmp_path / "model")
    with pytest.raises(InputError, match=r"x\.tf_record: .* after 10 whole records"):
        engine.train(made, [path])
    with pytest.raises(InputError, match=r"x\.tf_record: .* after 10 whole records"):
        made.predict(rows_of([path]), batch_size=4)


# --- weights --------------------------------------------------------------------------


def test_initialize_with_a_new_head(tmp_path):
    other = heads.PretrainingModel(engine.CONFIG, seed=9)
    given = Checkpoint(native.extract(other.variables), (), Path("model.ckpt"))
    made = engine.estimator(tmp_path)
    before = made.weights()
    with pytest.raises(InputError, match=r"model\.ckpt: lacks 2 of the 25 variables"):
        made.initialize(given)
    assert_equal(made.weights(), before)
    report = made.initialize(given, new_head=("output_weights", "output_bias"))
    assert report.missing == ("output_bias", "output_weights")
    after = made.weights()
    head = {name: after.pop(name) for name in report.missing}
    assert_equal(head, {name: before[name] for name in head})
    assert_equal(after, {name: given.weights[name] for name in after})


class TextTask(NerTask):
    """A task whose model reads the pooler."""

    def build_model(self, config, seed, dtype):
        return heads.SequenceClassifier(config, 3, seed, dtype=dtype)


def test_the_pooler_may_be_missing_where_it_is_not_read(tmp_path):
    """As in the models of tokens and spans that Transformers saves."""
    weights = engine.estimator(tmp_path).weights()
    pooler = ("bert/pooler/dense/bias", "bert/pooler/dense/kernel")
    for name in pooler:
        del weights[name]
    given = Checkpoint(weights, (), Path("model.ckpt"))
    made = engine.estimator(tmp_path)
    assert made.initialize(given).missing == pooler
    assert_equal({name: made.weights()[name] for name in weights}, weights)
    settings = {
        f.name: getattr(engine.TASK, f.name) for f in dataclasses.fields(NerTask)
    }
    made = engine.estimator(tmp_path, task=TextTask(**settings))
    with pytest.raises(InputError, match=r"lacks 2 of the 25 variables .*bert/pooler"):
        made.initialize(given)
    assert text_tasks.TASKS["single"].pooling == "mean"
    made = engine.estimator(tmp_path, task=text_tasks.TASKS["single"])
    assert made.initialize(given).missing == pooler


# --- predictions ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def predicted(paths, tmp_path_factory):
    """What the toy says of the rows, one at a time."""
    made = engine.estimator(tmp_path_factory.mktemp("model"))
    return made, made.predict(rows_of(paths), batch_size=1)


def assert_predicted(arrays, expected):
    """Equal where there are pieces; padding is not predicted."""
    is_real = engine.batches(1, NUM_ROWS)["input_mask"][0] > 0
    assert sorted(arrays) == sorted(expected)
    for name, values in expected.items():
        assert arrays[name].dtype == values.dtype
        where = is_real if values.ndim > 1 else ...
        np.testing.assert_allclose(
            arrays[name][where], values[where], rtol=1e-5, atol=1e-5
        )


def test_predictions_are_those_of_the_model(predicted):
    made, arrays = predicted
    batches = engine.batches(1, NUM_ROWS)
    batch = {name: tf.constant(values[0]) for name, values in batches.items()}
    assert arrays["log_probs"].shape == (NUM_ROWS, engine.LENGTH, 3)
    expected = made.task.predictions(batch, made.model(batch))
    assert sorted(expected) == ["label_ids", "log_probs", "loss", "words"]
    assert_predicted(arrays, {k: v.numpy() for k, v in expected.items()})


class Original(NerTask):
    """A task whose predictions for padding count."""

    counts_padding = True


def test_padding_is_predicted_where_it_counts(tmp_path, paths):
    settings = {
        f.name: getattr(engine.TASK, f.name) for f in dataclasses.fields(NerTask)
    }
    made = engine.estimator(tmp_path, task=Original(**settings))
    batches = engine.batches(1, NUM_ROWS)
    batch = {name: tf.constant(values[0]) for name, values in batches.items()}
    expected = made.task.predictions(batch, made.model(batch))
    for name, values in made.predict(rows_of(paths), batch_size=4).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch_size", [4, 11, 16])
def test_partial_batches(predicted, paths, batch_size):
    made, expected = predicted
    assert_predicted(made.predict(rows_of(paths), batch_size), expected)


def test_predictions_of_two_replicas(tmp_path, predicted, paths):
    made = engine.estimator(tmp_path, strategy=engine.two_replicas())
    assert_predicted(made.predict(rows_of(paths), batch_size=4), predicted[1])


def test_predictions_with_xla(tmp_path, predicted, paths):
    made = engine.estimator(tmp_path, device=DeviceConfig(xla="on"))
    assert_predicted(made.predict(rows_of(paths), batch_size=4), predicted[1])


def test_metrics(predicted, paths):
    """The mean over labelled words, whatever the batch size."""
    made, arrays = predicted
    label_ids = engine.batches(1, NUM_ROWS)["label_ids"][0]
    rows, positions = np.nonzero(label_ids >= 0)
    chosen = arrays["log_probs"][rows, positions, label_ids[rows, positions]]
    for batch_size in (1, 4):
        found = made.predict(rows_of(paths), batch_size)
        scores = made.task.metrics(found, batch_size)
        assert scores == {"loss": pytest.approx(-chosen.mean(), rel=1e-5)}


# --- the loop on the device -----------------------------------------------------------


def test_a_call_needs_nothing_of_python(tmp_path, monkeypatch, paths):
    """Its steps are a loop of one graph, and its batches are made ahead, endlessly."""
    kept = []
    monkeypatch.setattr(Loop, "run", lambda self: kept.append(self.trainer))
    engine.train(engine.estimator(tmp_path), paths)
    dataset = kept[0].train_dataset
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    before, after = engine.made_deterministic(dataset)
    assert {"PrefetchDataset", "ParallelMapDatasetV2"} <= {op for op, _ in before}
    assert after == before
    call = kept[0].create_train_loop_fn()
    traced = call.get_concrete_function(iter(dataset), tf.constant(2))
    graph = traced.graph.as_graph_def()
    used = {node.op for node in graph.node}
    used |= {node.op for each in graph.library.function for node in each.node_def}
    assert {"While", "IteratorGetNext"} <= used
    leaving = re.compile("Py|Print|Summary|Host|Outside|Send|Recv|AsOptional")
    assert not [op for op in used if leaving.search(op)]
