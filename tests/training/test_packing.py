import dataclasses
from itertools import chain
from types import SimpleNamespace

import engine
import numpy as np
import pretraining_toys
import pytest
import tensorflow as tf
import text_tasks
from engine import CONFIG, LENGTH

from biobert_tf.checkpoints import native
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.model.encoder import PLACES
from biobert_tf.qa.task import SpanTask, YesNoTask
from biobert_tf.relations.sets import SETS
from biobert_tf.relations.task import RelationTask
from biobert_tf.training import packing, records, states
from biobert_tf.training.packing import GROUP, Packer, Shape
from biobert_tf.training.records import FeatureSpec, InputPipeline, TrainingData
from biobert_tf.training.trainer import Trainer

# --- rows -----------------------------------------------------------------------------


def lengths_like_sentences(number, seed=0):
    """Lengths of 5 to 128, 34 on average, as sentences of abstracts have."""
    drawn = np.random.default_rng(seed).gamma(3.5, 10.0, number)
    return np.clip(drawn, 5, 128).astype(int).tolist()


def rows_of(lengths, width):
    """The texts of every row, in their order."""
    rows, offsets = packing.packed(tf.constant(lengths), width)
    held = {}
    places = zip(rows.numpy(), offsets.numpy(), range(len(lengths)), strict=True)
    for row, offset, text in sorted(places):
        held.setdefault(int(row), []).append((int(offset), text))
    assert list(held) == list(range(len(held)))
    for places in held.values():
        ends = [offset + max(1, lengths[text]) for offset, text in places]
        assert [offset for offset, _ in places] == [0, *ends[:-1]]
        assert ends[-1] <= width
    return [[text for _, text in places] for places in held.values()]


@pytest.mark.parametrize("width", [128, 200])
def test_every_text_lies_in_one_row(width):
    lengths = lengths_like_sentences(500)
    rows = rows_of(lengths, width)
    assert sum(lengths) / (len(rows) * width) > 0.97
    assert sorted(text for row in rows for text in row) == list(range(500))


def test_rows_are_filled_to_the_brim():
    """Best by one text, else by two of the most common lengths, which are 3 and 4."""
    rows = rows_of([3, 7, 4, 8, 3, 4, 1, 3], 8)
    assert rows == [[3], [1, 6], [2, 5], [0, 4], [7]]
    assert rows_of([3, 3, 6, 2, 1, 3], 9) == [[2, 0], [1, 5, 4, 3]]


def test_empty_texts_count_as_a_piece():
    assert rows_of([0, 4, 0], 5) == [[1, 0], [2]]


# --- tasks ----------------------------------------------------------------------------


def windows(rows, rng, **more):
    """Rows of the engine with other features in place of the labels."""
    for row in rows:
        row = {name: row[name] for name in ("input_ids", "input_mask", "segment_ids")}
        length = int(np.sum(row["input_mask"]))
        drawn = {name: draw(rng, length) for name, draw in more.items()}
        yield {**row, **{name: np.atleast_1d(value) for name, value in drawn.items()}}


def label(rng, length):
    return rng.integers(2)


def one(rng, length):
    return 1


def position(rng, length):
    return rng.integers(length)


def labels(rng, length):
    return rng.integers(2, size=3)


def real(rng, length):
    return rng.normal()


FEATURIZER = SimpleNamespace(max_seq_length=LENGTH)
TASKS = {
    "ner": engine.TASK,
    **text_tasks.TASKS,
    "re": RelationTask(
        tokenizer=None,
        relation_set=SETS["gad"],
        max_seq_length=LENGTH,
        entity_markers=False,
        class_weights=(1.0, 3.0),
        compat="fixed",
    ),
    "yesno": YesNoTask(featurizer=FEATURIZER, class_weights=(2.0, 1.0), compat="fixed"),
    "span": SpanTask(featurizer=FEATURIZER, compat="fixed"),
    "pretraining": pretraining_toys.STATIC,
}
NUM_ROWS = 16


def rows_of_task(name, number=NUM_ROWS):
    rng, drawn = np.random.default_rng(5), engine.rows(number, seed=3)
    if name == "pretraining":
        return pretraining_toys.rows(number)
    if name == "ner":
        return drawn
    if name == "span":
        ends = {"start_positions": position, "end_positions": position}
        return list(windows(drawn, rng, unique_ids=one, is_impossible=one, **ends))
    if name == "value":
        return list(windows(drawn, rng, targets=real, is_real_example=one))
    if name == "multi":
        return list(windows(drawn, rng, label_ids=labels, is_real_example=one))
    ids = {"unique_ids": one} if name == "yesno" else {}
    return list(windows(drawn, rng, label_ids=label, is_real_example=one, **ids))


def data_of(name, number=NUM_ROWS):
    """Endless rows in their order."""
    specs, rows = TASKS[name].specs, rows_of_task(name, number)
    types = {"int64": np.int32, "float32": np.float32}
    columns = {
        feature: np.array([row[feature] for row in rows], types[spec.dtype])
        for feature, spec in specs.items()
    }

    def batches(pipeline, num_skipped):
        dataset = tf.data.Dataset.from_tensor_slices(columns).repeat()
        dataset = dataset.skip(num_skipped).batch(pipeline.batch_size, True)
        return dataset.shard(pipeline.num_workers, pipeline.worker)

    return TrainingData([], specs, batches)


def train(name, dataset, num_steps=3, **settings):
    """Returns what is reported of all steps, and the weights after them."""
    config = pretraining_toys.CONFIG if name == "pretraining" else CONFIG
    task = TASKS[name]
    model = task.build_model(engine.without_dropout(config), seed=1)
    trainer = Trainer(
        task,
        model,
        # A bias has no true gradient where it is in all scores of a softmax; Adam makes
        # steps of the noise, as large as the rate.
        engine.adam(model, 10, learning_rate=1e-3),
        dataset,
        seed=1,
        max_loop_steps=num_steps,
        **settings,
    )
    return trainer.train(tf.constant(num_steps)), native.extract(model.variables)


def assert_equal_trainings(one, other):
    for found, wanted in zip(one, other, strict=True):
        assert found.keys() == wanted.keys()
        for name, values in wanted.items():
            np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-5)


WITH_PARTS = [*((name, 1) for name in TASKS), ("ner", 2), ("pretraining", 2)]


@pytest.mark.parametrize("name, num_parts", WITH_PARTS)
def test_packed_training_is_the_padded_one(name, num_parts):
    """Losses, norms of gradients and weights of three steps."""
    data, pipeline = data_of(name), InputPipeline(8)
    packed = Packer(False, num_parts).packed(data).batches(pipeline, 0)
    settings = {"accumulation_steps": num_parts}
    assert_equal_trainings(
        train(name, packed, **settings),
        train(name, data.batches(pipeline, 0), **settings),
    )


@pytest.mark.parametrize("name", ["span", "pretraining"])
def test_packed_training_compiles_with_one_shape(name):
    """Here every row holds two texts or more."""
    data, pipeline = data_of(name), InputPipeline(8)
    width = 2 * data.specs["input_ids"].length
    packer = Packer(False, width=width, shape=Shape(4, width, 8))
    packed = packer.packed(data).batches(pipeline, 0)
    assert packed.element_spec[PLACES].shape == (4, width)
    assert all(spec.shape.is_fully_defined() for spec in packed.element_spec.values())
    assert_equal_trainings(
        train(name, packed, xla=True), train(name, data.batches(pipeline, 0))
    )


@pytest.mark.parametrize("name, num_parts", WITH_PARTS)
def test_dense_training_is_that_of_its_texts(name, num_parts):
    """The batches of the dense packing, packed and padded."""
    data = data_of(name, 150)
    packed = Packer(True, num_parts).packed(data).batches(InputPipeline(4), 0)
    padded = packed.map(
        lambda batch: {k: value for k, value in batch.items() if k != PLACES}
    )
    settings = {"accumulation_steps": num_parts, "num_steps": 2}
    assert_equal_trainings(
        train(name, packed, **settings), train(name, padded, **settings)
    )


def test_texts_that_fill_up_a_batch_count_nowhere():
    """The loss of a batch with a row of padding is that without it."""
    for name, task in TASKS.items():
        batch = next(iter(data_of(name).batches(InputPipeline(4), 0)))
        more = {
            feature: tf.concat(
                [values, tf.fill([2, *values.shape[1:]], tf.cast(pad, values.dtype))], 0
            )
            for feature, values in batch.items()
            for pad in [task.specs[feature].padding]
        }
        config = pretraining_toys.CONFIG if name == "pretraining" else CONFIG
        model = task.build_model(config, seed=1)
        found, wanted = (
            task.losses(given, model(given), task.loss_totals(given))
            for given in (more, batch)
        )
        for loss, value in wanted.items():
            np.testing.assert_allclose(found[loss], value, rtol=1e-5, err_msg=name)


# --- batches --------------------------------------------------------------------------


def numbered(lengths, width=128):
    """Endless records of these lengths, each with its number in its first piece."""
    ids = np.zeros([len(lengths), width], np.int32)
    mask = np.zeros_like(ids)
    for i, length in enumerate(lengths):
        ids[i, 0], mask[i, :length] = i, 1
    specs = {"input_ids": FeatureSpec(width), "input_mask": FeatureSpec(width)}

    def batches(pipeline, num_skipped):
        columns = {"input_ids": ids, "input_mask": mask}
        dataset = tf.data.Dataset.from_tensor_slices(columns).repeat()
        dataset = dataset.skip(num_skipped).batch(pipeline.batch_size, True)
        return dataset.shard(pipeline.num_workers, pipeline.worker)

    return TrainingData([], specs, batches)


def numbers(batch):
    """The records of a batch; those that only fill it up have no pieces."""
    is_text = batch["input_mask"].numpy().any(axis=1)
    return batch["input_ids"].numpy()[is_text, 0].tolist()


def test_dense_batches_hold_every_text_once_in_nearly_full_rows():
    lengths = lengths_like_sentences(GROUP * 32)
    data = Packer(True).packed(numbered(lengths))
    batches = list(data.batches(InputPipeline(32), 0).take(GROUP))
    held = [numbers(batch) for batch in batches]
    assert sorted(chain(*held)) == list(range(len(lengths)))
    sizes = [len(one) for one in held]
    assert np.mean(sizes) == 32
    assert min(sizes) != max(sizes)
    found = packing.measured(data, 32, 1, GROUP)
    assert found.num_pieces == sum(lengths)
    assert found.num_pieces / found.packed > 0.97
    rows = {len(batch[PLACES]) for batch in batches}
    assert max(rows) - min(rows) <= 1


@pytest.mark.parametrize(
    ("num_steps", "is_static"), [(17, False), (GROUP, True), (GROUP + 6, False)]
)
def test_a_dense_training_sees_the_texts_of_a_padded_one(num_steps, is_static):
    """The last batches exchange texts with none that come after the end."""
    given = numbered(lengths_like_sentences(71))
    data, _ = packing.chosen(
        "dense",
        given,
        batch_size=8,
        num_parts=2,
        num_devices=1,
        num_steps=num_steps,
        is_static=is_static,
    )
    pipeline = InputPipeline(8)
    held = list(map(numbers, data.batches(pipeline, 0)))
    padded = map(numbers, given.batches(pipeline, 0).take(num_steps))
    assert len(held) == num_steps
    assert sorted(chain(*held)) == sorted(chain(*padded))
    for step in (num_steps - 3, num_steps):
        assert list(map(numbers, data.batches(pipeline, step * 8))) == held[step:]


@pytest.mark.parametrize("dense", [False, True])
def test_resumed_batches_are_those_that_were_left(dense):
    data = Packer(dense).packed(numbered(lengths_like_sentences(400)))
    pipeline = InputPipeline(4)
    whole = list(data.batches(pipeline, 0).take(GROUP + 8))
    for step in (3, GROUP + 2):
        rest = data.batches(pipeline, step * 4).take(3)
        for found, wanted in zip(rest, whole[step : step + 3], strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, found, wanted)


@pytest.mark.parametrize("dense", [False, True])
def test_workers_share_the_batches(dense):
    data = Packer(dense).packed(numbered(lengths_like_sentences(400)))
    whole = list(data.batches(InputPipeline(4), 0).take(6))
    for worker in (0, 1):
        mine = data.batches(InputPipeline(4, 2, worker), 0).take(3)
        assert list(map(numbers, mine)) == list(map(numbers, whole[worker::2]))


@pytest.mark.parametrize("mode", ["on", "dense"])
def test_one_shape_fits_all_batches(mode):
    """It is the largest of the whole training, which is read before."""
    given = numbered(lengths_like_sentences(1000))
    data, lengths = packing.chosen(
        mode,
        given,
        batch_size=8,
        num_parts=2,
        num_devices=1,
        num_steps=200,
        is_static=True,
    )
    batches = data.batches(InputPipeline(8), 0)
    assert all(spec.shape.is_fully_defined() for spec in batches.element_spec.values())
    shapes = {tuple(batch[PLACES].shape) for batch in batches.take(200)}
    assert len(shapes) == 1
    loose, _ = packing.chosen(
        mode,
        given,
        batch_size=8,
        num_parts=2,
        num_devices=1,
        num_steps=200,
        is_static=False,
    )
    rows = [
        len(batch[PLACES]) for batch in loose.batches(InputPipeline(8), 0).take(200)
    ]
    assert max(rows) == shapes.pop()[0] or mode == "on"
    assert 0 < lengths.to_dict()["real_share"] <= 1


@pytest.mark.parametrize(
    "length, mode, is_packed",
    [
        (30, "auto", True),
        (120, "auto", False),
        (120, "on", True),
        (30, "off", False),
        (30, "dense", True),
    ],
)
def test_auto_packs_where_rows_are_not_full(length, mode, is_packed):
    data, lengths = packing.chosen(
        mode,
        numbered([length] * 20),
        batch_size=4,
        num_parts=1,
        num_devices=1,
        num_steps=10,
        is_static=False,
    )
    assert (PLACES in data.batches(InputPipeline(4), 0).element_spec) == is_packed
    found = lengths.to_dict()
    assert found["packing"] == {"auto": "on" if is_packed else "off"}.get(mode, mode)
    assert found["padded_real_share"] == round(length / 128, 4)
    low = (length - 1) // 16 * 16
    assert set(found["lengths"]) == {f"{low + 1}-{low + 16}"}


# --- the network ----------------------------------------------------------------------


def test_a_text_does_not_see_its_neighbours():
    """Other pieces in the row change nothing, to the bit."""
    task = TASKS["ner"]
    model = task.build_model(CONFIG, seed=1)
    batch = next(iter(data_of("ner").batches(InputPipeline(4), 0)))
    places = Packer(False).packed(data_of("ner")).batches(InputPipeline(4), 0)
    packed = next(iter(places))
    other = dict(packed)
    ids = packed["input_ids"].numpy()
    ids[1:] = (ids[1:] + 1) % CONFIG.vocab_size
    other["input_ids"] = tf.constant(ids)
    first = int(batch["input_mask"][0].numpy().sum())
    one, two = (model(given)["logits"][0, :first] for given in (packed, other))
    np.testing.assert_array_equal(one, two)


# --- the estimator --------------------------------------------------------------------


def test_estimator_packs_and_reports(tmp_path):
    """The same losses as padded; the texts stand in the results."""
    paths = engine.write_rows(tmp_path / "x.tf_record", 12)
    config = engine.without_dropout()
    made = {}
    for mode in ("on", "off"):
        made[mode] = engine.estimator(
            tmp_path / mode, config=config, pack_sequences=mode
        )
        assert engine.train(made[mode], paths) == 7
    one, two = (engine.read_scalars(tmp_path / m / "tensorboard") for m in made)
    np.testing.assert_allclose(one["train/loss"], two["train/loss"], atol=1e-5)
    packed, padded = made["on"].texts, made["off"].texts
    assert packed["lengths"] == padded["lengths"]
    assert padded["real_share"] == padded["padded_real_share"] < packed["real_share"]
    assert sum(packed["lengths"].values()) == 28


def test_two_replicas_train_as_one(tmp_path):
    paths = engine.write_rows(tmp_path / "x.tf_record", 12)
    found = {}
    for name, strategy in (("one", None), ("two", engine.two_replicas())):
        made = engine.estimator(
            tmp_path / name,
            config=engine.without_dropout(),
            strategy=strategy,
            pack_sequences="dense",
        )
        engine.train(made, paths)
        found[name] = made.weights()
    for name, values in found["one"].items():
        np.testing.assert_allclose(found["two"][name], values, atol=1e-5)


def test_compiled_training_packs_with_one_shape(tmp_path):
    paths = engine.write_rows(tmp_path / "x.tf_record", 12)
    weights = []
    for xla in ("on", "off"):
        made = engine.estimator(
            tmp_path / xla,
            config=engine.without_dropout(),
            device=DeviceConfig(xla=xla),
            pack_sequences="on",
        )
        engine.train(made, paths)
        weights.append(made.weights())
    for name, values in weights[1].items():
        np.testing.assert_allclose(weights[0][name], values, atol=1e-5)


@pytest.mark.parametrize("mode", ["on", "dense"])
def test_a_loss_that_counts_padding_is_not_packed(tmp_path, mode):
    task = dataclasses.replace(engine.TASK, compat="master")
    with pytest.raises(records.InputError, match=f"--pack_sequences={mode}: padding"):
        engine.estimator(tmp_path, task=task, pack_sequences=mode)
    paths = engine.write_rows(tmp_path / "x.tf_record", 12)
    made = engine.estimator(tmp_path / "auto", task=task)
    engine.train(made, paths)
    assert made.texts["real_share"] == made.texts["padded_real_share"]


# --- resumed trainings ----------------------------------------------------------------


def test_a_training_of_an_earlier_version_goes_on_padded(tmp_path, monkeypatch):
    """Its states do not say how dropout is drawn."""
    paths = engine.write_rows(tmp_path / "x.tf_record", 12)
    with monkeypatch.context() as patch:
        patch.setattr(states, "drawing", lambda path: (32, {}))
        first = engine.estimator(tmp_path / "run", max_steps=3, pack_sequences="off")
        engine.train(first, paths)
    packings = {}
    for mode in ("auto", "on"):
        again = engine.estimator(tmp_path / "run", pack_sequences=mode, max_steps=4)
        engine.train(again, paths)
        packings[mode] = again.texts["packing"]
    assert packings == {"auto": "off", "on": "on"}
