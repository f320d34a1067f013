"""Where the bias of a new head starts."""

import classification_toys as toys
import numpy as np
import pytest
import re_toys

from biobert_tf.classification import tasks
from biobert_tf.classification.examples import TextExample
from biobert_tf.classification.settings import ClassificationConfig
from biobert_tf.common.settings import from_dict
from biobert_tf.text.tokenization import FullTokenizer


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toys.Toy(tmp_path_factory.mktemp("toy"))


def task_of(toy, target, labels, rows):
    given = {"output_dir": "o", "data_dir": "d", "init_checkpoint": "c"}
    settings = from_dict(ClassificationConfig, given, toy.data)
    tokenizer = FullTokenizer(toy.released / "vocab.txt", do_lower_case=False)
    train = [
        TextExample(str(i), i, "a", None, *row, None) for i, row in enumerate(rows)
    ]
    return tasks.of_run(settings, tokenizer, target, labels, train)


def bias_of(task):
    return task.build_model(re_toys.CONFIG, seed=1).output_bias.numpy()


def test_several_labels_start_at_their_shares(toy):
    rows = [(("a",), None), (("a", "b"), None), ((), None)]
    task = task_of(toy, "multi", ("a", "b", "c"), rows)
    shares = 1 / (1 + np.exp(-bias_of(task)))
    np.testing.assert_allclose(shares, [2.5 / 4, 1.5 / 4, 0.5 / 4], rtol=1e-6)


def test_numbers_start_at_their_mean(toy):
    task = task_of(toy, "regression", ("number",), [(None, 1.0), (None, 4.0)])
    assert bias_of(task).tolist() == [2.5]


def test_one_label_starts_at_zero_as_in_bert(toy):
    rows = [(("a",), None), (("a",), None), (("b",), None)]
    assert bias_of(task_of(toy, "single", ("a", "b"), rows)).tolist() == [0, 0]


@pytest.mark.parametrize("target", ["multi", "regression"])
def test_a_model_that_is_read_needs_none(toy, target):
    assert bias_of(task_of(toy, target, ("a", "b"), [])).any() == np.False_
