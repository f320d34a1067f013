# SPDX-License-Identifier: Apache-2.0
import itertools

import ner_toys as toys
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.cli import main as cli
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.corpora import reading
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.documents.document import Passage
from biobert_tf.ner import annotator as ner_annotator
from biobert_tf.ner.annotator import Annotator, FoundEntity
from biobert_tf.ner.problem import NER
from biobert_tf.ner.reading import NerExample

CPU = DeviceConfig(strategy="cpu")
TEXTS = [
    "aspirin helps with nephritis\n\nsevere Liver cancer .",
    "",
    "Liver helps with aspirins " * 9 + ".",
    "severe\naspirin helps\r\n\r\nLiver cancer",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A trained NER model that has learned its four sentences."""
    toy = toys.Toy(tmp_path_factory.mktemp("toy"))
    cli.ner(toy.argv(num_train_epochs=60, do_predict=False))
    return toy.output


@pytest.fixture(scope="module")
def annotator(model):
    return Annotator.load([model], CPU, batch_size=4)


def documents(texts=TEXTS):
    return [[Passage(0, text)] for text in texts]


def test_a_model_starts_without_random_weights_and_is_traced_once(model, monkeypatch):
    """Whatever the lengths and the numbers of sentences."""
    traced = []
    step = ner_annotator.Model.step

    def counted(self, batch):
        traced.append(batch["input_ids"].shape)
        return step(self, batch)

    def refuse(*args, **how):
        raise AssertionError("a random weight")

    monkeypatch.setattr(ner_annotator.Model, "step", counted)
    monkeypatch.setattr(tf.random, "stateless_truncated_normal", refuse)
    annotator = Annotator.load([model], CPU, batch_size=4)
    [own] = annotator.models
    weights = NER.load(model, CPU).found.checkpoint.weights
    made = {variable.name[:-2]: variable for variable in own._model.variables}
    assert made.keys() == weights.keys()
    for name, variable in made.items():
        np.testing.assert_array_equal(variable, weights[name], name)
    for texts in (TEXTS, TEXTS[:1], TEXTS[3:]):
        list(annotator.annotate(documents(texts)))
    assert len(traced) == 1


def test_entities_and_their_places(annotator):
    found = list(annotator.annotate(documents()))
    shown = [
        [(text[e.start : e.end], e.type) for e in entities]
        for text, entities in zip(TEXTS, found, strict=True)
    ]
    assert shown[0] == [
        ("aspirin", "Chem"),
        ("nephritis", "Dis"),
        ("Liver cancer", "Dis"),
    ]
    assert shown[1] == []
    # A sentence of several windows: every one is told where it stands.
    aspirins = [e.start for e in found[2] if e.type == "Chem"]
    assert {17 + 26 * i for i in range(9)} <= set(aspirins)
    # A line end inside an entity is one of its characters.
    assert ("severe\naspirin", "Chem") in shown[3]
    for entities in found:
        assert entities == sorted(entities)
        assert all(0 < entity.probability <= 1 for entity in entities)


def test_as_the_estimator_predicts(model, annotator, tmp_path):
    """Batches by length, and of another size, change nothing but the last digits."""
    task = annotator.models[0].task
    words = [["Liver", "helps", "with", "aspirins"] * 9, ["aspirin", "."], ["Liver"]]
    examples = [NerExample(tuple(each), None) for each in words]
    rows = task.featurize(examples)
    estimator = NER.load(model, CPU).estimator(task)
    outputs = estimator.predict((row.features for row in rows), 8)
    expected = task.decode(examples, rows, outputs)
    texts = [" ".join(each) for each in words]
    found = annotator.annotate(documents(texts))
    for text, entities, prediction in zip(texts, found, expected, strict=True):
        assert len(entities) == len(prediction.entities)
        for mine, theirs in zip(entities, prediction.entities, strict=True):
            assert text[: mine.start].count(" ") == theirs.start
            assert mine.probability == pytest.approx(theirs.probability, abs=1e-5)


def test_passages_keep_their_offsets(annotator):
    document = [Passage(3, "aspirin"), Passage(100, "Liver cancer")]
    [entities] = annotator.annotate([document])
    places = {(entity.start, entity.end) for entity in entities}
    assert (3, 10) in places
    assert all(end <= 10 or start >= 100 for start, end in places)


def test_documents_are_read_as_they_are_needed(annotator, monkeypatch):
    monkeypatch.setattr(ner_annotator, "_MAX_HELD_WORDS", 5)
    read = []

    def endless():
        while True:
            read.append(len(read))
            yield [Passage(0, "aspirin helps with nephritis .")]

    found = annotator.annotate(endless())
    first = [next(found) for _ in range(3)]
    # One more is prepared while the third is predicted.
    assert len(read) in (3, 4)
    found.close()
    assert first[0] == first[1] == first[2]
    assert len(first[0]) == 2


def test_several_models_are_merged(model, annotator):
    both = Annotator([*annotator.models, *annotator.models])
    assert list(both.annotate(documents())) == list(annotator.annotate(documents()))


def test_the_most_probable_of_equal_entities_stays():
    entities = [
        FoundEntity(5, 9, "Dis", 0.5),
        FoundEntity(0, 4, "Dis", 0.5),
        FoundEntity(5, 9, "Dis", 0.75),
        FoundEntity(5, 9, "Chem", 0.25),
        FoundEntity(5, 12, "Dis", 0.5),
    ]
    assert ner_annotator.merged(entities) == [
        FoundEntity(0, 4, "Dis", 0.5),
        FoundEntity(5, 9, "Chem", 0.25),
        FoundEntity(5, 9, "Dis", 0.75),
        FoundEntity(5, 12, "Dis", 0.5),
    ]


def test_real_text(annotator, data):
    """Whatever a text holds, an entity is a part of it."""
    options = reading.ReadOptions(CorpusConfig())
    path = data / "pretrain" / "medline16n0902.xml.gz"
    articles = itertools.islice(reading.documents(path, options, print), 40)
    texts = ["\n".join(article.paragraphs) for article in articles]
    assert len(texts) == 40
    num_found = 0
    for text, entities in zip(texts, annotator.annotate(documents(texts)), strict=True):
        for entity in entities:
            shown = text[entity.start : entity.end]
            assert shown == shown.strip() != ""
            num_found += 1
    assert num_found


def test_no_model_of_ner(tmp_path):
    with pytest.raises(InputError, match=r"holds no model of run_ner\.py; give its"):
        Annotator.load([tmp_path], CPU, batch_size=4)
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "checkpoint").touch()
    with pytest.raises(InputError, match=r"run_ner\.py has not ended there; start"):
        Annotator.load([tmp_path], CPU, batch_size=4)


def test_probabilities_are_numbers_of_python(annotator):
    [entity, *_] = next(annotator.annotate(documents()))
    assert type(entity.probability) is float
    assert not isinstance(entity.start, np.generic)
