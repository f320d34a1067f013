"""Relations found inside a graph are those that a run predicts."""

import contextlib
import dataclasses
import itertools
import random

import ner_toys
import numpy as np
import pytest
import re_toys
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.export import text as graph_text
from biobert_tf.export import windows as window_rows
from biobert_tf.export.tokenizer import Pieces
from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.relations import features as relation_features
from biobert_tf.relations import graph as re_graph
from biobert_tf.relations import graph_entities
from biobert_tf.relations import reading as relation_reading
from biobert_tf.relations.features import Featurizer
from biobert_tf.relations.graph_entities import Entities
from biobert_tf.relations.problem import RELATIONS
from biobert_tf.relations.reading import RelationExample
from biobert_tf.relations.sets import SETS, custom
from biobert_tf.relations.task import RelationTask
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import reload

LABELS = ("false", "helps", "harms")


@pytest.fixture
def tokenizer(tmp_path):
    return FullTokenizer(ner_toys.write_vocab(tmp_path / "vocab.txt", re_toys.VOCAB))


def featurizer(tokenizer, relation_set, max_seq_length=16, compat="fixed"):
    return Featurizer(
        tokenizer=tokenizer,
        relation_set=relation_set,
        max_seq_length=max_seq_length,
        entity_markers=False,
        compat=compat,
    )


def texts(seed, number):
    rng = random.Random(seed)
    words = "aspirin Liver cancer nephritis @GENE$ @DISEASE$ @CHEM-GENE$ zebra . @x $"
    words = [*words.split(), "@\u00e9$", "a@GENE$b", "@GENE$@GENE$", "@G\u00e9\u00ad$"]
    weights = [5, 5, 5, 5, *[1] * (len(words) - 4)]
    return [
        " ".join(rng.choices(words, weights, k=rng.choice([0, 1, 4, 9, 40])))
        for _ in range(number)
    ]


def in_the_middle(first="@GENE$", second="@DISEASE$"):
    """Texts too long on both sides of two entities that stand together."""
    words = ["aspirin", "Liver", "cancer", "severe", "with", "."] * 6
    return [
        " ".join([*words[:before], first, "helps", second, *words[:behind]])
        for before in (14, 17, 30)
        for behind in (1, 12, 33)
    ]


def marked_texts(seed, number):
    """Texts with marks, spaced or not, whole or broken."""
    rng = random.Random(seed)
    words = ["aspirin", "Liver", "cancer", "nephritis", "@GENE$", ">", "]", "[", "<<"]
    words += [">>", "[[", "]]", "<< aspirin >>", "[[ \u00a0cancer ]]", "<<aspirin>>"]
    words += ["[[Liver]]", "<<\u00e9>>>", "[[2-[[4-x]y]]]", "<<  >>", "<<>>", "\u00ad"]
    found = []
    for _ in range(number):
        picked = rng.choices(words, k=rng.choice([0, 1, 4, 9, 20]))
        found.append(rng.choice([" ", ""]).join(picked))
    pairs = [("<< aspirin >>", "[[ cancer ]]"), ("[[Liver]]", "<<nephritis>>")]
    return [*found, *(text for pair in pairs for text in in_the_middle(*pair))]


FORMS = {
    "biobert": lambda: [*texts(1, 200), *in_the_middle()],
    "scibert": lambda: marked_texts(1, 250),
}


def featurized(task, given, form):
    """The texts that a run takes; it refuses entities that do not fit."""
    taken, examples, records = [], [], []
    for text in given:
        spans = relation_reading.entity_spans(text, form)
        example = RelationExample("0", text, None, spans)
        with contextlib.suppress(InputError):
            records += task.featurize([example])
            taken.append(text)
            examples.append(example)
    return taken, examples, records


def probabilities(model, records):
    """What a model says of the rows of a run."""
    batch = {
        name: tf.constant([record.features[name] for record in records])
        for name in ("input_ids", "input_mask", "segment_ids")
    }
    return tf.nn.softmax(model(batch)["logits"]).numpy()


@pytest.mark.parametrize(
    ("compat", "entity_markers", "form"),
    [
        ("fixed", False, "biobert"),
        ("fixed", True, "scibert"),
        ("master", True, "biobert"),
        ("master", False, "scibert"),
    ],
)
def test_equal_to_the_run(tokenizer, entity_markers, form, compat):
    config = dataclasses.replace(re_toys.CONFIG, initializer_range=0.5)
    model = heads.SequenceClassifier(config, len(LABELS), seed=1)
    read = {"max_seq_length": 16, "entity_markers": entity_markers, "compat": compat}
    task = RelationTask(
        tokenizer=tokenizer,
        relation_set=custom(LABELS, "false"),
        class_weights=(1.0,) * 3,
        **read,
    )
    graph = re_graph.ReGraph(model, task, is_marked=form == "scibert")
    answer = tf.function(
        graph.answer,
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    given, examples, records = featurized(task, FORMS[form](), form)
    assert len(given) > 150
    assert (sum(record.is_windowed for record in records) > 5) == (compat == "fixed")
    found = {name: values.numpy() for name, values in answer(given).items()}
    wanted = probabilities(model, records)
    np.testing.assert_allclose(found["probabilities"], wanted, atol=1e-5)
    predictions = task.decode(examples, records, {"probabilities": wanted})
    assert [label.decode() for label in found["label"]] == [
        prediction.label for prediction in predictions
    ]
    assert found["is_cut"].tolist() == [record.is_cut for record in records]
    assert found["num_entities"].tolist() == [len(e.entities) for e in examples]
    assert answer(tf.constant([], tf.string))["label"].shape == (0,)


@pytest.mark.parametrize(("mixed", "bound"), [("bfloat16", 2**-8), ("float16", 2**-11)])
def test_another_type(tokenizer, mixed, bound):
    """The run in this type, and the run in float32 to within the type's rounding."""
    config = dataclasses.replace(re_toys.CONFIG, initializer_range=0.5)
    exact = heads.SequenceClassifier(config, len(LABELS), seed=1)
    model = heads.SequenceClassifier(
        config, len(LABELS), seed=1, dtype=tf.as_dtype(mixed)
    )
    task = RelationTask(
        tokenizer=tokenizer,
        relation_set=custom(LABELS, "false"),
        max_seq_length=16,
        entity_markers=False,
        class_weights=(1.0,) * 3,
        compat="fixed",
    )
    given, _, records = featurized(task, FORMS["biobert"](), "biobert")
    graph = re_graph.ReGraph(model, task)
    found = graph.answer(tf.constant(given))
    assert found["probabilities"].dtype == tf.float32
    # Measured against float32: 1.5e-3 and 1.1e-4 where the processor multiplies
    # bfloat16, 2.3e-3 in bfloat16 where it does not and sums are rounded elsewhere.
    for other, most in ((model, 1e-5), (exact, bound)):
        wanted = probabilities(other, records)
        np.testing.assert_allclose(found["probabilities"], wanted, rtol=0, atol=most)
        labels = np.array(LABELS)[wanted.argmax(-1)]
        assert (found["label"].numpy().astype(str) == labels).all()
    # It is not computed in float32.
    assert np.abs(found["probabilities"] - wanted).max() > 1e-5


# --- entities ------------------------------------------------------------------------


def in_bytes(text, *places):
    return [len(text[:place].encode()) for place in places]


@pytest.mark.parametrize(
    ("form", "find", "given"),
    [
        (
            "biobert",
            graph_entities.placeholders,
            [*texts(2, 300), "@GENE$", "@", "@A", "@A\n$", "$@A-_\u00e9$ @@A$", ""],
        ),
        (
            "scibert",
            graph_entities.marked,
            [
                *marked_texts(2, 400),
                *("<<a>>", "<<a", "a>>", "<< a >>", "<<a>>>", "<< a >>>", "", "<<<a>>"),
                *("<< a\n>>", "<<a >> << b>>", "<<a>> << b >>", "[[a]][[b]]<<c>>"),
                *("[[[a]]]", "<<  >>", "<< \u2003 >>", "<<\u2003b\u00a0>> [[ ]]"),
            ],
        ),
    ],
)
def test_entities_are_those_of_the_readers(tokenizer, form, find, given):
    model = heads.SequenceClassifier(re_toys.CONFIG, 2, seed=1)
    graph = re_graph.ReGraph(model, featurizer(tokenizer, custom(["a", "b"], "")))
    found = graph_text.characters(tf.constant(given))
    entities = find(found, graph._tokenizer.traits(found.codes))
    found_columns = [values.numpy().tolist() for values in entities]
    wanted = [
        (
            *in_bytes(text, span.start, span.end),
            row,
            *in_bytes(text, span.inner_start, span.inner_end),
            span.role,
        )
        for row, text in enumerate(given)
        for span in relation_reading.entity_spans(text, form)
    ]
    assert list(zip(*found_columns, strict=True)) == wanted
    assert len(wanted) > 100


# --- what is kept --------------------------------------------------------------------


def random_row(rng, room):
    """The number of pieces of a row, and where its entities stand."""
    long = rng.choices(range(1, 5 * room), k=9)
    num_pieces = rng.choice([0, 1, room - 1, room, room + 1, *long])
    # Entities of up to five pieces, anywhere.
    starts = sorted(rng.sample(range(num_pieces), min(num_pieces, rng.randint(0, 3))))
    stops = [*starts[1:], num_pieces]
    return num_pieces, [
        range(start, min(stop, start + rng.randint(1, 5)))
        for start, stop in zip(starts, stops, strict=False)
    ]


def test_what_a_row_shows(tokenizer):
    """`relations.features.view`, row by row; every piece is a byte."""
    rng, room = random.Random(3), 16 - 2
    drawn = [random_row(rng, room) for _ in range(3000)]
    rows = [row for row in drawn if relation_features.view(*row, room) is not None]
    wanted = [relation_features.view(*row, room) for row in rows]
    assert len(rows) > 2500
    # Kept in one stretch that is not the beginning; in several.
    gaps = [sum(b - a > 1 for a, b in itertools.pairwise(view)) for view in wanted]
    first = [view[0] if view else 0 for view in wanted]
    assert sum(gap == 0 and f > 0 for gap, f in zip(gaps, first, strict=True)) > 100
    assert sum(gap > 0 for gap in gaps) > 100
    starts, units = columns(
        (i, row) for row, (size, _) in enumerate(rows) for i in range(size)
    )
    spans = columns(
        (entity.start, entity.stop, row)
        for row, (_, entities) in enumerate(rows)
        for entity in entities
    )
    model = heads.SequenceClassifier(re_toys.CONFIG, 2, seed=1)
    graph = re_graph.ReGraph(model, featurizer(tokenizer, custom(["a", "b"], "")))
    ids = window_rows.by_unit(starts, units, len(rows))
    pieces = Pieces(starts, starts, starts + 1, units)
    nothing = [tf.zeros_like(spans[0])] * 3
    kept = graph._kept(pieces, Entities(*spans, *nothing), ids)
    assert kept.to_list() == wanted


def columns(rows):
    return [tf.constant(column) for column in zip(*rows, strict=True)]


# --- the form of the training --------------------------------------------------------


@pytest.mark.parametrize("said", ["auto", "scibert"])
def test_a_model_of_marks(tmp_path, said):
    """Its files tell the form that its settings leave open."""
    re_toys.write_marked(tmp_path / "data", train=re_toys.MARKED)
    answer = served(tmp_path, data_format=said, data_dir=str(tmp_path / "data"))
    found = answer(tf.constant(["<< aspirin >> causes [[ cancer ]] .", "@GENE$"]))
    assert found["num_entities"].numpy().tolist() == [2, 0]


def test_a_form_that_nothing_tells(tmp_path, caplog):
    answer = served(tmp_path, data_format="auto", data_dir="absent")
    found = answer(tf.constant(["<< aspirin >> causes [[ cancer ]] .", "@GENE$"]))
    assert found["num_entities"].numpy().tolist() == [0, 1]
    assert "absent does not exist, so the format of its texts is unknown" in caplog.text


def served(folder, **settings):
    """What an export of a model with random weights would hold."""
    re_toys.write_model(folder / "model", ("0", "1"))
    known = {"task_name": "custom", "max_seq_length": 16, **settings}
    files.write_json(folder / "model/settings.json", known)
    found = RELATIONS.loaded(reload.find(folder / "model"), DeviceConfig())
    return RELATIONS.serve(found).answer


# --- the original --------------------------------------------------------------------


@pytest.mark.golden
def test_probabilities_of_the_recorded_runs(golden):
    """Texts in, what the original's run_re.py wrote out."""
    runs = sorted(golden.glob("re/*/end_to_end/run.json"))
    assert runs
    for path in runs:
        run = files.read_json(path)
        flags = dict(flag.removeprefix("--").split("=") for flag in run["flags"])
        assert flags["do_lower_case"] == "false"
        config = EncoderConfig.from_json(golden / "model/bert_config.json")
        labels = SETS[flags["task_name"]].labels
        model = heads.SequenceClassifier(config, len(labels), seed=0)
        checkpoint = golden / run["checkpoint"]
        weights = checkpoints.locate(checkpoint).read().weights
        native.assign(model.variables, weights, source=checkpoint)
        length = int(flags.get("max_seq_length", 128))
        tokenizer = FullTokenizer(golden / run["vocab"])
        relation_set = SETS[flags["task_name"]]
        read = featurizer(tokenizer, relation_set, length, "master")
        graph = re_graph.ReGraph(model, read)
        test = path.parents[1] / "data/test.tsv"
        rows = relation_reading.read_rows(test, "biobert")
        found = graph.answer(tf.constant([row.text for row in rows]))
        wanted = np.loadtxt(path.parent / "test_results.tsv", ndmin=2)
        assert len(wanted) > 20
        np.testing.assert_allclose(found["probabilities"], wanted, rtol=0, atol=1e-5)
        best = [labels[i] for i in wanted.argmax(-1)]
        assert [label.decode() for label in found["label"].numpy()] == best
