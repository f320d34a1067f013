import functools
import json

import engine
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.common.settings import DeviceConfig, RunConfig
from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.pretraining.task import PretrainingTask
from biobert_tf.qa.task import SpanTask
from biobert_tf.relations.sets import SETS
from biobert_tf.relations.task import RelationTask
from biobert_tf.training import optimizer, precision
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.trainer import Trainer

# --- parity: the losses of the original -----------------------------------------------


def cross_entropy(labels, logits):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


class Ner:
    """The sum over all positions of all rows."""

    loss_names = ("loss",)

    def build_model(self, config, weights):
        num_labels = len(weights["output_bias"])
        return heads.TokenClassifier(config, num_labels, seed=0)

    def loss_totals(self, batch):
        return {}

    def losses(self, batch, outputs, totals):
        nats = cross_entropy(batch["label_ids"], outputs["logits"])
        return {"loss": tf.reduce_sum(nats)}


class Relations(RelationTask):
    """The task itself."""

    def build_model(self, config, weights):
        return super().build_model(config, seed=0)


class Answers(SpanTask):
    """The task itself."""

    def build_model(self, config, weights):
        return super().build_model(config, seed=0)


class Pretraining(PretrainingTask):
    """The task itself."""

    def build_model(self, config, weights):
        return super().build_model(config, seed=0)


RECORDED_TASKS = {
    "ner": Ner(),
    "re": Relations(
        tokenizer=None,
        relation_set=SETS["gad"],
        max_seq_length=0,
        entity_markers=False,
        class_weights=(1.0, 1.0),
        compat="master",
    ),
    "qa": Answers(featurizer=None, compat="master"),
    "pretrain": Pretraining(max_seq_length=0, max_predictions_per_seq=0, vocab_size=0),
}


class Recording:
    """One recorded training, and ours of the same batches."""

    def __init__(self, golden, name):
        folder = golden / "training"
        self.settings = json.loads((folder / f"{name}.json").read_text())
        objective = name.split("_")[0]
        self.task = RECORDED_TASKS[objective]
        self.batches = dict(np.load(folder / f"batches_{objective}.npz"))
        if objective == "re":
            # As records of RE hold it: a row of one value.
            label_ids = self.batches["label_ids"][..., None]
            self.batches["label_ids"] = label_ids
            self.batches["is_real_example"] = np.ones_like(label_ids)
        for name in ("start_positions", "end_positions"):
            if name in self.batches:
                self.batches[name] = self.batches[name][..., None]
        config = EncoderConfig.from_json(golden / "model" / "bert_config.json")
        found = checkpoints.locate(golden / self.settings["init_checkpoint"]).read()
        self.model = self.task.build_model(
            engine.without_dropout(config), found.weights
        )
        native.assign(self.model.variables, found.weights, source=found.source)
        names = ("init_lr", "num_train_steps", "num_warmup_steps")
        rates = optimizer.LinearWarmupDecay(*(self.settings[name] for name in names))
        self.adam = optimizer.AdamWeightDecay(rates)
        self.adam.build(self.model.trainable_variables)
        self.trainer = Trainer(
            self.task,
            self.model,
            self.adam,
            tf.data.Dataset.from_tensor_slices(self.batches),
            seed=0,
            max_loop_steps=1,
            clipping="whole" if self.settings["use_one_hot_embeddings"] else "gathered",
        )

    def slots(self, kind):
        """The moments `adam_m` or `adam_v` by TF1 name."""
        values = getattr(self.adam, f"_{kind}")
        named = zip(self.model.trainable_variables, values, strict=True)
        copies = [tf.Variable(value, name=v.name[:-2]) for v, value in named]
        return native.extract(copies)

    def run(self, logged):
        """Trains; returns per step what the original logged, and the first m."""
        log = {name: [] for name in logged}
        before = self.slots("adam_m")
        for step in range(self.settings["steps"]):
            history = self.trainer.train(tf.constant(1))
            after = self.slots("adam_m")
            clipped = {name: (after[name] - 0.9 * before[name]) / 0.1 for name in after}
            if step == 0:
                self.first_clipped_gradients = clipped
            norm = history["gradient_norm"].item()
            square = sum(
                np.sum(np.square(g, dtype=np.float64)) for g in clipped.values()
            )
            row = {
                **{name: history[name].item() for name in self.task.loss_names},
                "lr": history["learning_rate"].item(),
                "global_norm_reported": norm,
                # What the moments took in, before it was scaled.
                "global_norm_dense": np.sqrt(square) * max(norm, 1.0),
                **native.extract(self.model.variables),
            }
            for name, values in log.items():
                values.append(row[name])
            before = after
        return log


# What golden/training/README.md calls fair; it says nothing of moments and gradients.
LOG_RTOL = {"lr": 1e-6, "global_norm_reported": 1e-4, "global_norm_dense": 1e-4}
FINAL_ATOL = 5e-5


def test_every_recorded_training_has_its_task(recording):
    names = [path.name for path in (recording / "training").glob("*_log.npz")]
    assert {name.split("_")[0] for name in names} == set(RECORDED_TASKS)


@pytest.mark.parametrize("objective", RECORDED_TASKS)
def test_recorded_training(recording, objective):
    """Losses, rates, norms, weights and moments, step by step, of every path.

    `one_hot` clips by the true norm; `gather`, as the paper's GPU runs, by that of
    the word embedding's rows before equal rows are summed.
    """
    folder = recording / "training"
    paths = sorted(folder.glob(f"{objective}_*_log.npz"))
    assert paths
    for path in paths:
        name = path.name.removesuffix("_log.npz")
        ours, log = Recording(recording, name), np.load(path)
        actual = ours.run(log.files)
        for key in log:
            rtol = LOG_RTOL.get(key, 2e-5)
            atol = FINAL_ATOL if "/" in key else 0
            np.testing.assert_allclose(
                actual[key], log[key], rtol, atol, err_msg=f"{name} {key}"
            )
        check_end(ours, folder, name)


def check_end(recording, folder, name):
    """Compares the weights and the moments after the last step, the first gradient.

    A recording that is cut has no last step.
    """
    assert int(recording.adam.iterations) == recording.settings["final_global_step"]
    weights = native.extract(recording.model.variables)
    trainable = native.extract(recording.model.trainable_variables)
    still = set(recording.settings["variables_without_gradient"])
    assert set(weights) - set(trainable) == still
    if not recording.settings.get("is_cut"):
        check_weights(recording, weights, folder, name)
    gradients = folder / f"{name}_first_clipped_gradients.npz"
    if gradients.exists():
        check_gradients(recording.first_clipped_gradients, np.load(gradients))


def check_weights(recording, weights, folder, name):
    for key, array in np.load(folder / f"{name}_final.npz").items():
        np.testing.assert_allclose(weights[key], array, 0, FINAL_ATOL, err_msg=key)
    recorded = np.load(folder / f"{name}_slots.npz")
    for kind in ("adam_m", "adam_v"):
        found = {f"{key}/{kind}": value for key, value in recording.slots(kind).items()}
        close_to_largest(found, {k: recorded[k] for k in recorded if k.endswith(kind)})


def close_to_largest(actual, expected):
    """Allows 1e-5 of the largest value of all, for values that are only rounding."""
    assert expected
    largest = max(np.abs(array).max() for array in expected.values())
    for key, array in expected.items():
        np.testing.assert_allclose(
            actual[key], array, 1e-4, 1e-5 * largest, err_msg=key
        )


def check_gradients(actual, expected):
    squares = {k[len("sumsq:") :]: expected[k] for k in expected if "sumsq:" in k}
    for key, square in squares.items():
        if key in actual:
            found = np.sum(np.square(actual[key], dtype=np.float64))
            np.testing.assert_allclose(found, square, 1e-4, 1e-10, err_msg=key)
        else:
            assert square == 0, key
    close_to_largest(actual, {k: expected[k] for k in expected if k in actual})


# --- however a batch is cut -----------------------------------------------------------

NUM_STEPS = 5
BATCHES = engine.batches(NUM_STEPS, 8, seed=4)


def train(
    batches=BATCHES,
    *,
    config=None,
    strategy=None,
    device=None,
    seed=1,
    num_calls=1,
    loss_scale=None,
    **settings,
):
    """Trains the toy; returns the history of all steps and the weights."""
    config = config or engine.without_dropout()
    strategy = strategy or tf.distribute.OneDeviceStrategy("/cpu:0")
    num_steps, batch_size = batches["input_ids"].shape[:2]

    def dataset_fn(context):
        rows = tf.data.Dataset.from_tensor_slices(batches).unbatch()
        return rows.batch(batch_size // strategy.num_replicas_in_sync, True)

    with strategy.scope():
        model = engine.TASK.build_model(
            config, seed=1, dtype=precision.dtype(device or DeviceConfig())
        )
        adam = engine.adam(model, num_steps)
        if loss_scale:
            adam = tf_keras.mixed_precision.LossScaleOptimizer(
                adam, initial_scale=loss_scale
            )
        trainer = Trainer(
            engine.TASK,
            model,
            adam,
            strategy.distribute_datasets_from_function(dataset_fn),
            seed=seed,
            max_loop_steps=num_steps,
            **settings,
        )
        calls = [
            trainer.train(tf.constant(num_steps // num_calls)) for _ in range(num_calls)
        ]
    history = {key: np.concatenate([call[key] for call in calls]) for key in calls[0]}
    return history, native.extract(model.variables)


@pytest.fixture(scope="module")
def plain():
    return train()


def same(actual, expected, rtol=1e-5, atol=1e-5):
    for result, wanted in zip(actual, expected, strict=True):
        assert sorted(result) == sorted(wanted)
        for key, values in wanted.items():
            np.testing.assert_allclose(result[key], values, rtol, atol, err_msg=key)


def test_the_toy_learns(plain):
    """What the comparisons below compare is not nothing."""
    history, weights = plain
    assert all(len(values) == NUM_STEPS for values in history.values())
    assert history["learning_rate"].tolist() == pytest.approx(
        [0.0, 0.005, 0.006, 0.004, 0.002]
    )
    assert len(set(history["loss"])) == NUM_STEPS
    assert (history["gradient_norm"] > 1e-3).all()
    before = native.extract(
        engine.TASK.build_model(engine.without_dropout(), seed=1).variables
    )
    moved = {key for key in weights if not np.array_equal(weights[key], before[key])}
    assert set(weights) - moved == {
        "bert/pooler/dense/kernel",
        "bert/pooler/dense/bias",
    }


@pytest.mark.parametrize("accumulation_steps", [2, 4])
def test_accumulated_gradients(plain, accumulation_steps):
    same(train(accumulation_steps=accumulation_steps), plain)


def test_two_replicas(plain):
    """The halves of a batch hold different numbers of labelled words."""
    words = (BATCHES["label_ids"] >= 0).reshape(NUM_STEPS, 2, -1).sum(-1)
    assert (words[:, 0] != words[:, 1]).all()
    same(train(strategy=engine.two_replicas()), plain)


def test_unsummed_rows(plain):
    """Rows are never summed, so it does not matter which part has which.

    Of two rows that point the same way, the sum is longer than both apart.
    """
    whole = train(clipping="gathered")
    parts = {"strategy": engine.two_replicas(), "accumulation_steps": 2}
    same(train(**parts, clipping="gathered"), whole)
    ratio = whole[0]["gradient_norm"] / plain[0]["gradient_norm"]
    assert (np.abs(ratio - 1) > 1e-3).sum() >= 3


def test_xla(plain):
    same(train(xla=True), plain)


# --- dropout --------------------------------------------------------------------------


def losses(*args, **settings):
    return train(*args, config=engine.CONFIG, **settings)[0]["loss"].tolist()


def test_dropout_depends_on_seed_and_step():
    # The same batch twice, and the first step leaves the weights as they are.
    twice = {name: values[[0, 0, 1]] for name, values in BATCHES.items()}
    first = losses(twice)
    assert first[0] != pytest.approx(first[1], rel=1e-4)
    assert losses(twice, num_calls=3) == first
    assert losses(twice, seed=2) != first


def test_parts_of_a_batch_draw_apart():
    """Of two equal halves, each alone gives the mean loss of both, dropout apart."""
    half = {name: values[:1, :4] for name, values in BATCHES.items()}
    both = {name: np.concatenate([v, v], axis=1) for name, v in half.items()}
    alone = losses(half)[0]
    for settings in ({"strategy": engine.two_replicas()}, {"accumulation_steps": 2}):
        assert losses(both, **settings)[0] != pytest.approx(alone, rel=1e-4)


# --- mixed precision ------------------------------------------------------------------


@pytest.mark.parametrize(
    "precision, settings",
    [
        ("bfloat16", {}),
        (
            "float16",
            {"loss_scale": 2.0**10, "accumulation_steps": 2, "clipping": "gathered"},
        ),
    ],
)
def test_mixed_precision(plain, precision, settings):
    device = DeviceConfig(mixed_precision=precision)
    history, weights = train(device=device, **settings)
    np.testing.assert_allclose(history["loss"], plain[0]["loss"], rtol=0.02)
    np.testing.assert_allclose(
        history["gradient_norm"], plain[0]["gradient_norm"], rtol=0.1
    )
    assert not np.array_equal(history["loss"], plain[0]["loss"])
    assert all(array.dtype == np.float32 for array in weights.values())


def test_overflow_skips_the_step(plain):
    """A scale beyond float16: no step changes a weight, each halves the scale."""
    history, weights = train(
        device=DeviceConfig(mixed_precision="float16"), loss_scale=2.0**60
    )
    assert len(history["loss"]) == NUM_STEPS
    assert np.isfinite(history["loss"]).all()
    assert not np.isfinite(history["gradient_norm"]).any()
    before = engine.TASK.build_model(engine.without_dropout(), seed=1)
    for key, array in native.extract(before.variables).items():
        assert np.array_equal(weights[key], array), key


# --- what a TPU needs -----------------------------------------------------------------


def first(batches):
    return {name: tf.constant(values[0]) for name, values in batches.items()}


def lowered_step(task, model, batches, loss_scale=None, **settings):
    adam = engine.adam(model, 10)
    if loss_scale:
        adam = tf_keras.mixed_precision.LossScaleOptimizer(adam)
    trainer = Trainer(task, model, adam, None, seed=1, max_loop_steps=10, **settings)
    return engine.hlo(trainer.replica_step, first(batches))


@pytest.mark.parametrize(
    "config, name, settings",
    [
        (engine.CONFIG, "off", {}),
        (engine.without_dropout(), "off", {"clipping": "gathered"}),
        (engine.CONFIG, "bfloat16", {"accumulation_steps": 2}),
    ],
)
def test_training_step_lowers(config, name, settings):
    dtype = precision.dtype(DeviceConfig(mixed_precision=name))
    model = engine.TASK.build_model(config, seed=1, dtype=dtype)
    text = lowered_step(engine.TASK, model, BATCHES, **settings)
    engine.check_hlo(text)
    assert ("bf16[" in text) == (name == "bfloat16")
    assert ("rng-bit-generator" in text or "xor(" in text) == (config is engine.CONFIG)


@pytest.mark.parametrize("name", ["off", "bfloat16"])
def test_prediction_step_lowers(tmp_path, name):
    estimator = Estimator(
        engine.TASK,
        engine.CONFIG,
        strategy=tf.distribute.OneDeviceStrategy("/cpu:0"),
        device=DeviceConfig(mixed_precision=name),
        run=RunConfig(),
        model_dir=tmp_path,
    )
    text = engine.hlo(functools.partial(engine.predictions, estimator), first(BATCHES))
    engine.check_hlo(text)
    assert ("bf16[" in text) == (name == "bfloat16")


def test_a_bad_lowering_is_seen():
    """The check itself: a shape that data decide, and a call of the host."""
    text = engine.hlo(lambda batch: tf.where(batch["label_ids"] > 0), first(BATCHES))
    with pytest.raises(AssertionError):
        engine.check_hlo(text)
    with pytest.raises(AssertionError, match="outfeed"):
        engine.check_hlo("ENTRY main { ROOT x = token[] outfeed(y, z) }")
