import dataclasses
import functools
import gzip
import json
import re

import engine
import numpy as np
import pretraining_toys as toys
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.model.config import EncoderConfig
from biobert_tf.model.layers import Dropout
from biobert_tf.pretraining.data import masking as static_masking
from biobert_tf.pretraining.data import pairs as pair_making
from biobert_tf.pretraining.data.documents import PieceTable
from biobert_tf.pretraining.data.settings import PairConfig
from biobert_tf.pretraining.masking import DynamicMasking, choose
from biobert_tf.pretraining.task import PretrainingTask
from biobert_tf.training import optimizer, precision, records
from biobert_tf.training.trainer import Trainer

PIECES = PieceTable.of(toys.ID)

# --- losses -------------------------------------------------------------------------

# Two rows, two masked positions, three pieces.
OUTPUTS = {
    "masked_lm_logits": tf.math.log(
        [
            [[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]],
            [[0.25, 0.5, 0.25], [0.125, 0.125, 0.75]],
        ]
    ),
    "next_sentence_logits": tf.math.log([[0.25, 0.75], [0.25, 0.75]]),
}
BATCH = {
    "input_ids": tf.zeros([2, 4], tf.int32),
    "masked_lm_ids": tf.constant([[0, 1], [0, 0]]),
    # The last position is padding: its loss must not count.
    "masked_lm_weights": tf.constant([[1.0, 1.0], [1.0, 0.0]]),
    "next_sentence_labels": tf.constant([[1], [0]]),
}


def floats(values):
    return {name: float(value) for name, value in values.items()}


def test_losses_by_hand():
    losses = toys.STATIC.losses(BATCH, OUTPUTS, toys.STATIC.loss_totals(BATCH))
    assert tuple(losses) == toys.STATIC.loss_names
    masked = np.log([2, 4 / 3, 4]).sum() / (3 + 1e-5)
    pairs = np.log([4 / 3, 4]).sum() / 2
    assert floats(losses) == pytest.approx(
        {
            "loss": masked + pairs,
            "masked_lm_loss": masked,
            "masked_lm_accuracy": 2 / 3,
            "next_sentence_loss": pairs,
            "next_sentence_accuracy": 0.5,
        },
        rel=1e-6,
    )


def test_a_batch_without_masked_pieces():
    batch = {**BATCH, "masked_lm_weights": tf.zeros([2, 2])}
    losses = toys.STATIC.losses(batch, OUTPUTS, toys.STATIC.loss_totals(batch))
    assert float(losses["masked_lm_loss"]) == 0
    assert float(losses["masked_lm_accuracy"]) == 0


def test_scores_by_hand():
    """Batches of two: of 3 and 1 masked pieces, and a last one of one row."""
    predictions = {
        "masked_lm_loss": [2.0, 4.0, 1.0, 0.0, 6.0],
        "masked_lm_correct": [1, 0, 1, 0, 2],
        "masked_lm_weight": [1, 2, 1, 0, 2],
        "next_sentence_loss": [0.5, 1.5, 0.25, 0.25, 3.0],
        "next_sentence_correct": [1, 0, 1, 1, 0],
    }
    scores = toys.STATIC.metrics({k: np.array(v) for k, v in predictions.items()}, 2)
    assert scores == pytest.approx(
        {
            "loss": (2 * (6 / 3 + 1.0) + 2 * (1 / 1 + 0.25) + 1 * (6 / 2 + 3.0)) / 5,
            "masked_lm_accuracy": 4 / 6,
            "masked_lm_loss": 13 / 6,
            "next_sentence_accuracy": 3 / 5,
            "next_sentence_loss": 5.5 / 5,
        },
        rel=1e-4,
    )


@pytest.mark.golden
def test_recorded_evaluations(golden, tmp_path):
    """Every record once, or as often as the original read it."""
    recorded = json.loads(
        (golden / "training" / "pretraining_evaluation.json").read_text()
    )
    path = tmp_path / "in.tfrecord"
    path.write_bytes(gzip.decompress((golden / recorded["input_file"]).read_bytes()))
    num_records = records.count([path])
    config = EncoderConfig.from_json(golden / "model" / "bert_config.json")
    assert recorded["runs"]
    estimator = None
    for name, run in recorded["runs"].items():
        flags = dict(flag.removeprefix("--").split("=") for flag in run["flags"])
        task = PretrainingTask(
            max_seq_length=int(flags["max_seq_length"]),
            max_predictions_per_seq=int(flags["max_predictions_per_seq"]),
            vocab_size=config.vocab_size,
        )
        if estimator is None or estimator.task != task:
            estimator = engine.estimator(tmp_path, task=task, config=config)
            estimator.initialize(
                checkpoints.locate(golden / recorded["init_checkpoint"]).read()
            )
        batch_size = int(flags["eval_batch_size"])
        wanted = int(flags["max_eval_steps"]) * batch_size
        times = -(-wanted // num_records)
        rows = records.rows([path] * times, task.specs, wanted)
        predictions = estimator.predict(rows, batch_size)
        expected = dict(
            line.split(" = ") for line in run["eval_results.txt"].splitlines()
        )
        assert expected.pop("global_step") == "0"
        scores = task.metrics(predictions, batch_size)
        assert sorted(scores) == sorted(expected)
        for key, value in expected.items():
            assert scores[key] == pytest.approx(float(value), rel=2e-6), (name, key)


# --- training steps -----------------------------------------------------------------

NUM_STEPS = 3
TRAINING = {
    name: values.reshape(NUM_STEPS, 8, *values.shape[1:])
    for name, values in toys.batch(NUM_STEPS * 8).items()
}
FIRST = {name: tf.constant(values[0]) for name, values in TRAINING.items()}


def train(*, strategy=None, device=None, recompute=False, **settings):
    """Trains without dropout; returns the history of all steps and the weights."""
    strategy = strategy or tf.distribute.OneDeviceStrategy("/cpu:0")

    def dataset_fn(context):
        rows = tf.data.Dataset.from_tensor_slices(TRAINING).unbatch()
        return rows.batch(8 // strategy.num_replicas_in_sync, True)

    task = toys.STATIC
    with strategy.scope():
        model = task.build_model(
            engine.without_dropout(toys.CONFIG),
            seed=1,
            dtype=precision.dtype(device or DeviceConfig()),
        )
        model.recomputes = recompute
        rates = optimizer.LinearWarmupDecay(1e-2, 10, 0)
        made = optimizer.build("adamw", rates, model.trainable_variables)
        trainer = Trainer(
            task,
            model,
            made,
            strategy.distribute_datasets_from_function(dataset_fn),
            seed=1,
            max_loop_steps=NUM_STEPS,
            **settings,
        )
        history = trainer.train(tf.constant(NUM_STEPS))
    return history, native.extract(model.variables)


@pytest.fixture(scope="module")
def plain():
    return train()


def same(actual, expected, tolerance=1e-5):
    for result, wanted in zip(actual, expected, strict=True):
        assert sorted(result) == sorted(wanted)
        for key, values in wanted.items():
            np.testing.assert_allclose(
                result[key], values, tolerance, tolerance, err_msg=key
            )


def test_history_is_of_the_whole_batch(plain):
    """The numbers of the first step are those of the model before it."""
    history, weights = plain
    assert set(history) == {*toys.STATIC.loss_names, "learning_rate", "gradient_norm"}
    model = toys.STATIC.build_model(engine.without_dropout(toys.CONFIG), seed=1)
    losses = toys.STATIC.losses(FIRST, model(FIRST), toys.STATIC.loss_totals(FIRST))
    first = {name: values[0] for name, values in history.items() if name in losses}
    assert first == pytest.approx(floats(losses), rel=1e-5)
    assert 0 < first["next_sentence_accuracy"] < 1
    before = native.extract(model.variables)
    assert all(not np.array_equal(weights[key], before[key]) for key in weights)


def test_however_a_batch_is_cut_and_computed(plain):
    """Two replicas of two parts, which hold different numbers of masked pieces.

    With activations computed again.
    """
    masked = TRAINING["masked_lm_weights"].reshape(NUM_STEPS, 4, -1).sum(-1)
    assert (masked.max(1) > masked.min(1)).all()
    found = train(strategy=engine.two_replicas(), accumulation_steps=2, recompute=True)
    same(found, plain)


def test_bfloat16(plain):
    history, _ = train(device=DeviceConfig(mixed_precision="bfloat16"))
    np.testing.assert_allclose(history["loss"], plain[0]["loss"], rtol=0.03)
    assert not np.array_equal(history["loss"], plain[0]["loss"])


# --- activations computed again -----------------------------------------------------


def gradient_step(recompute, dtype=tf.float32):
    """A function from the seed of dropout to gradients, and its model."""
    task = toys.STATIC
    model = task.build_model(toys.CONFIG, seed=1, dtype=dtype)
    model.recomputes = recompute

    def step(seed_2):
        with tf.GradientTape() as tape:
            outputs = model(FIRST, Dropout(seed_2))
            loss = task.losses(FIRST, outputs, task.loss_totals(FIRST))["loss"]
        found = tape.gradient(loss, model.trainable_variables)
        return [tf.convert_to_tensor(gradient) for gradient in found]

    return step, model


@functools.cache
def compiled_step(recompute):
    """A step of float32 by XLA; it is traced once."""
    step, _ = gradient_step(recompute)
    return tf.function(step, jit_compile=True)


@pytest.mark.parametrize(
    "mode, dtype",
    [("eager", tf.bfloat16), ("graph", tf.float32), ("xla", tf.float32)],
)
def test_recomputing_changes_nothing(mode, dtype):
    """With dropout: the same masks must be drawn again.

    In a graph TensorFlow fuses products that have no gradient, which rounds bfloat16
    less often; so bfloat16 is compared outside of graphs.
    """

    def gradients(recompute):
        if mode == "xla":
            step = compiled_step(recompute)
        else:
            step, _ = gradient_step(recompute, dtype)
        if mode == "graph":
            step = tf.function(step)
        return [step(tf.constant(seed_2)) for seed_2 in ([3, 4], [5, 6])]

    expected, actual = gradients(False), gradients(True)
    for found, wanted in zip(actual, expected, strict=True):
        for gradient, value in zip(found, wanted, strict=True):
            gradient, value = (tf.cast(x, tf.float32) for x in (gradient, value))
            np.testing.assert_allclose(gradient, value, rtol=1e-4, atol=1e-6)
    # The embeddings: other dropout shows.
    assert not np.allclose(expected[0][0], expected[1][0], rtol=1e-2)


def test_recomputing_is_for_training():
    (_, model), (_, plain) = gradient_step(True), gradient_step(False)
    for name, values in plain(FIRST).items():
        np.testing.assert_allclose(model(FIRST)[name], values, rtol=1e-5, atol=1e-6)


def test_blocks_run_twice():
    """Forward, and again backward, also after all that XLA simplifies."""

    def products(recompute):
        lowered = compiled_step(recompute).experimental_get_compiler_ir(
            tf.constant([3, 4])
        )
        return len(re.findall(r" dot\(", lowered(stage="optimized_hlo")))

    # Query, key, value, scores, average, output, and the two of the feed-forward net.
    num_blocks = toys.CONFIG.num_hidden_layers
    assert products(True) == products(False) + 8 * num_blocks


# --- what a TPU needs ---------------------------------------------------------------


def test_training_step_lowers():
    task = toys.STATIC
    model = task.build_model(toys.CONFIG, seed=1, dtype=tf.bfloat16)
    model.recomputes = True
    rates = optimizer.LinearWarmupDecay(1e-2, 10, 2)
    made = optimizer.build("lamb", rates, model.trainable_variables)
    trainer = Trainer(task, model, made, None, seed=1, max_loop_steps=10)
    text = engine.hlo(trainer.replica_step, FIRST)
    engine.check_hlo(text)
    assert "bf16[" in text


def test_prediction_step_lowers(tmp_path):
    estimator = engine.estimator(tmp_path, task=toys.STATIC, config=toys.CONFIG)
    predictions = functools.partial(engine.predictions, estimator)
    engine.check_hlo(engine.hlo(predictions, FIRST))


# --- dynamic masking ----------------------------------------------------------------


def dynamic(seed=1, pieces=PIECES, **changed):
    settings = {
        "max_predictions_per_seq": toys.MOST_MASKED,
        "masked_lm_prob": 0.15,
        "do_whole_word_mask": False,
        **changed,
    }
    return DynamicMasking(pieces=pieces, pairs=PairConfig(**settings), seed=seed)


def unmasked(num_rows, seed=0):
    made = [toys.unmasked(row) for row in toys.rows(num_rows, seed)]
    return {
        name: tf.constant(np.array([row[name] for row in made], np.int32))
        for name in made[0]
    }


def masked(masking, batch, numbers=None, training=True):
    """As inside tf.data; numbers are 0, 1, ... if not given."""
    numbers = range(len(batch["input_ids"])) if numbers is None else numbers
    mask = tf.function(lambda n: masking.mask(dict(batch), n, training=training))
    found = mask(tf.constant(list(numbers), tf.int64))
    return {name: values.numpy() for name, values in found.items()}


def test_masks_are_consistent():
    batch = unmasked(50)
    found = masked(dynamic(), batch)
    ids = batch["input_ids"].numpy()
    is_chosen = np.zeros(ids.shape, bool)
    for row in range(50):
        count = int(found["masked_lm_weights"][row].sum())
        tokens = int(batch["input_mask"][row].numpy().sum())
        assert count == min(toys.MOST_MASKED, max(1, round(tokens * 0.15)))
        positions = found["masked_lm_positions"][row]
        assert (np.diff(positions[:count]) > 0).all()
        assert not found["masked_lm_weights"][row, count:].any()
        assert not positions[count:].any()
        assert not found["masked_lm_ids"][row, count:].any()
        chosen = positions[:count]
        assert found["masked_lm_ids"][row, :count].tolist() == ids[row, chosen].tolist()
        assert not set(ids[row, chosen]) & {toys.ID[t] for t in toys.SPECIAL}
        is_chosen[row, chosen] = True
    assert np.array_equal(found["input_ids"][~is_chosen], ids[~is_chosen])
    for name in ("input_mask", "segment_ids", "next_sentence_labels"):
        assert np.array_equal(found[name], batch[name])
    dtypes = {name: values.dtype for name, values in found.items()}
    assert dtypes.pop("masked_lm_weights") == np.float32
    assert set(dtypes.values()) == {np.dtype(np.int32)}


def test_masks_depend_on_seed_number_and_purpose():
    """And on nothing else: not on the batch in which a record comes."""
    batch = unmasked(1)
    batch = {name: tf.repeat(values, 40, axis=0) for name, values in batch.items()}

    def ids(masking=None, numbers=range(40), training=True):
        numbers = list(numbers)
        part = {name: values[: len(numbers)] for name, values in batch.items()}
        return masked(masking or dynamic(), part, numbers, training)[
            "input_ids"
        ].tolist()

    first = ids()
    assert ids() == first
    assert ids(numbers=range(39, -1, -1)) == first[::-1]
    assert ids(numbers=[7, 3]) == [first[7], first[3]]
    assert len({tuple(row) for row in first}) > 10
    assert ids(dynamic(seed=2)) != first
    assert ids(training=False) != first
    assert ids(numbers=range(2**40, 2**40 + 40)) != first


def statistics(features, original_ids):
    """Share of chosen pieces by kind and what became of them."""
    weights = features["masked_lm_weights"] > 0
    rows = np.nonzero(weights)[0]
    positions = features["masked_lm_positions"][weights]
    now, before = (
        features["input_ids"][rows, positions],
        features["masked_lm_ids"][weights],
    )
    others = now[(now != before) & (now != PIECES.mask_id)]
    assert set(others) <= set(PIECES.replacement_ids)
    counts = np.bincount(weights.sum(1), minlength=toys.MOST_MASKED + 1) / len(weights)
    return {
        "mask": np.mean(now == PIECES.mask_id),
        "keep": np.mean(now == before),
        "continuation": np.mean(PIECES.is_continuation[before]),
        **{f"position {i}": np.mean(positions == i) for i in range(1, toys.LENGTH - 1)},
        **{f"{i} masked": count for i, count in enumerate(counts)},
    }


@pytest.mark.parametrize("do_whole_word_mask", [False, True])
def test_same_statistics_as_static_masking(do_whole_word_mask):
    """Of some 10,000 masked pieces: three standard errors are 0.012 at 0.2."""
    rng = np.random.default_rng(3)
    num_rows = 5_000
    tokens = rng.integers(len(toys.SPECIAL), len(toys.VOCAB), 1000).astype(np.uint16)
    starts = rng.integers(0, 980, (2, num_rows))
    ends = starts + rng.integers(2, 7, (2, num_rows))
    pairs = pair_making.Pairs(
        starts[0], ends[0], starts[1], ends[1], np.zeros(num_rows, bool)
    )
    documents = static_masking.TokenizedDocuments(tokens, np.array([0]), np.array([0]))
    settings = {
        "max_predictions_per_seq": toys.MOST_MASKED,
        "masked_lm_prob": 0.15,
        "do_whole_word_mask": do_whole_word_mask,
    }
    length = {"max_seq_length": toys.LENGTH}
    given = static_masking.unmasked_features(documents, pairs, PIECES, **length)
    ids = given["input_ids"]
    rule = static_masking.MaskingRule(pieces=PIECES, pairs=PairConfig(**settings))
    static = static_masking.static_features(documents, pairs, rule, **length, rng=rng)
    batch = {name: tf.constant(values) for name, values in given.items()}
    found = statistics(masked(dynamic(**settings), batch), ids)
    expected = statistics(static, ids)
    assert found == pytest.approx(expected, abs=0.02)
    assert found["mask"] == pytest.approx(0.8, abs=0.015)


@pytest.mark.parametrize("do_whole_word_mask", [False, True])
@pytest.mark.parametrize("share", [0.15, 0.5])
def test_the_same_draws_give_the_same_masks_as_in_numpy(do_whole_word_mask, share):
    masking = dynamic(do_whole_word_mask=do_whole_word_mask, masked_lm_prob=share)
    batch = unmasked(300)
    ids, is_real = batch["input_ids"].numpy(), batch["input_mask"].numpy() > 0
    numbers = tf.range(300, dtype=tf.int64)
    draws = masking._draws(ids.shape[1], numbers, True)
    order, action, other = (values.numpy() for values in draws)
    is_chosen = masking.choose(ids, is_real, order)
    others = (other[is_chosen] * len(PIECES.replacement_ids)).astype(int)
    expected = masking.masked(
        ids, is_chosen, action[is_chosen], PIECES.replacement_ids[others]
    )
    found = masked(masking, batch)
    for name, values in expected.items():
        assert np.array_equal(found[name], values)


def chosen(candidates, starts, num_wanted, order):
    given = [list(map(bool, map(int, text))) for text in (candidates, starts)]
    arguments = [np.array([v]) for v in (*given, np.int32(num_wanted), order)]
    found = static_masking.choose_words(*arguments)
    assert np.array_equal(choose(*map(tf.constant, arguments)), found)
    return "".join(str(int(x)) for x in found[0])


def test_words_are_chosen_whole():
    """Words at 1-2, 3, 5-7, in the order given; 0 and 4 are no candidates."""
    words = ("01110111", "01010100")
    rest = [0.9] * 5
    assert chosen(*words, 3, [0.1, 0.2, 0.3, *rest]) == "01110000"
    # The long word would overflow and is passed over.
    assert chosen(*words, 2, [0.2, 0.3, 0.1, *rest]) == "01100000"
    assert chosen(*words, 4, [0.3, 0.2, 0.1, *rest]) == "00010111"
    assert chosen(*words, 9, [0.3, 0.2, 0.1, *rest]) == "01110111"
    assert chosen("00000000", "00000000", 1, [0.5] * 8) == "00000000"


def test_whole_words_only():
    batch = unmasked(200)
    found = masked(dynamic(do_whole_word_mask=True, masked_lm_prob=0.3), batch)
    ids = batch["input_ids"].numpy()
    num_long = 0
    for row in range(200):
        weights = found["masked_lm_weights"][row] > 0
        positions = set(found["masked_lm_positions"][row][weights])
        for position in positions:
            follows = ids[row, position + 1]
            if PIECES.is_continuation[follows]:
                num_long += 1
                assert position + 1 in positions
            if PIECES.is_continuation[ids[row, position]] and ids[
                row, position - 1
            ] not in (PIECES.cls_id, PIECES.sep_id):
                assert position - 1 in positions
    assert num_long > 20


def test_padding_rows_have_no_masks():
    zeros = {name: tf.zeros_like(v) for name, v in unmasked(2).items()}
    found = masked(dynamic(), zeros, [-1, -1])
    assert not any(values.any() for values in found.values())


def test_more_predictions_than_positions():
    found = masked(dynamic(max_predictions_per_seq=toys.LENGTH + 4), unmasked(3))
    assert found["masked_lm_ids"].shape == (3, toys.LENGTH + 4)
    assert (found["masked_lm_weights"].sum(1) >= 1).all()


def test_specs_of_both_kinds():
    assert list(toys.STATIC.specs) == [
        *("input_ids", "input_mask", "segment_ids", "next_sentence_labels"),
        *("masked_lm_positions", "masked_lm_ids", "masked_lm_weights"),
    ]
    task = dataclasses.replace(toys.STATIC, masking=dynamic())
    assert list(task.specs) == list(toys.UNMASKED_FEATURES)
    batch = unmasked(4)
    numbers = tf.range(4, dtype=tf.int64)
    training = task.prepare(dict(batch), numbers, training=True)
    evaluation = task.prepare(dict(batch), numbers, training=False)
    assert set(training) == set(evaluation) == set(toys.STATIC.specs)
    assert not np.array_equal(training["input_ids"], evaluation["input_ids"])
    assert toys.STATIC.prepare(batch, numbers, training=True) is batch
