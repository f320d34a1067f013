"""Texts classified inside a graph: the answers are those that a run predicts."""

import collections

import classification_toys as toys
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.classification.problem import CLASSIFICATION


def answers(served, **given):
    """What strings in give; a graph, as an export traces it."""
    function = tf.function(served.answer, autograph=False)
    given = {name: tf.constant(values) for name, values in given.items()}
    return {name: values.numpy() for name, values in function(**given).items()}


def check(model, found, predictions):
    """Compares an export's answers with predictions, one for each example."""
    if model.target == "regression":
        values = [each.value for each in predictions]
        np.testing.assert_allclose(found["value"], values, rtol=0, atol=1e-5)
        return
    wanted = np.array([each.probabilities for each in predictions])
    np.testing.assert_allclose(found["probabilities"], wanted, rtol=0, atol=1e-5)
    if model.target == "single":
        told = [(label.decode(),) for label in found["label"]]
    else:
        told = [
            tuple(x for x, is_told in zip(model.labels, row, strict=True) if is_told)
            for row in found["is_label"]
        ]
    assert told == [each.labels for each in predictions]
    assert len(set(told)) > 1


@pytest.mark.parametrize("name", toys.MODELS)
def test_the_answers_are_those_of_a_run(name, tmp_path):
    model = toys.MODELS[name]
    loaded = toys.load(toys.write_model(tmp_path, model))
    given = {"text": ["", *toys.texts(1, 40)]}
    if model.has_pairs:
        given["pair"] = ["", *toys.texts(2, 40)]
    _, records, predictions = toys.predicted(loaded, *given.values())
    found = answers(CLASSIFICATION.serve(loaded), **given)
    check(model, found, predictions)
    counts = collections.Counter(record.example for record in records)
    assert found["num_windows"].tolist() == [counts[i] for i in range(41)]
    assert (max(counts.values()) > 1) == (model.long_texts == "windows")
    # Of two long texts, windows lose one's end.
    if not model.has_pairs or model.long_texts == "cut":
        is_cut = any(record.is_cut for record in records)
        assert is_cut == (model.long_texts == "cut")


@pytest.mark.parametrize("name", ["single", "multi_pairs", "regression"])
def test_no_texts_have_no_answers(name, tmp_path):
    model = toys.MODELS[name]
    served = CLASSIFICATION.serve(toys.load(toys.write_model(tmp_path, model)))
    given = {name: np.array([], str) for name in served.text_inputs}
    assert {len(values) for values in answers(served, **given).values()} == {0}
